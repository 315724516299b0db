"""What counts as one signal, and what several mean; the handlers themselves."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from orchcore.cli import early
from orchcore.cli.early import heed_early
from orchcore.cli.stopping import Presses, heeding_signals
from orchcore.execution.control import Control


class Screen:
    def pause(self) -> None: ...

    def resume(self) -> None: ...


def test_presses_escalate() -> None:
    """First stop, then hurry, then give up."""
    presses = Presses()
    assert [presses.heard(now) for now in (0.0, 1.0, 2.0, 3.0)] == [
        "stop",
        "hurry",
        "give up",
        "give up",
    ]


def test_two_within_a_quarter_second_are_one() -> None:
    """An echo of a signal is not a second one, but hammering on ^C still counts."""
    presses = Presses()
    assert presses.heard(10.0) == "stop"
    assert presses.heard(10.2) is None
    assert presses.heard(10.24) is None
    assert presses.heard(10.26) == "hurry"


async def test_signals_reach_the_run() -> None:
    """In the context SIGTERM stops the run, a later SIGINT hurries it; afterwards all is as before."""
    before = signal.getsignal(signal.SIGTERM)
    control, told = Control(), list[str]()
    control.bind(told.append, lambda: told.append("hurry"), lambda _: None, told.append)
    with heeding_signals(control, Screen()):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)
    assert told == ["SIGTERM", "hurry"]
    assert control.interrupted
    assert signal.getsignal(signal.SIGTERM) == before


async def test_ignored_hang_up_stays_ignored() -> None:
    """SIGHUP that was ignored when we were started is left alone."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heeding_signals(Control(), Screen()):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_what_python_forgot_at_the_start_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``^C`` that came where nothing can be raised ends the run as soon as there is one."""
    monkeypatch.setattr("orchcore.cli.early.heard", [])
    monkeypatch.setattr("orchcore.cli.stopping.heard", early.heard)
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        heed_early()
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        control, told = Control(), list[str]()
        control.bind(told.append, lambda: None, lambda _: None, told.append)
        with heeding_signals(control, Screen()):
            await asyncio.sleep(0.05)
        assert told == ["SIGINT"]
    finally:
        signal.signal(signal.SIGINT, before)
