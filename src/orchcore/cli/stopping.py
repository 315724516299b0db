"""What signals do to a run that goes on.

The first SIGINT, SIGTERM or SIGHUP ends it in order, the second in a hurry: the loop does that
between two of its steps, and whoever blocks it is interrupted (``overtime``). At the third this
process is gone at once, and the keeper ends what is below it. ^Z stops the agents and then us;
what wakes us up wakes them up.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from types import FrameType
from typing import Literal, Never, Protocol

from orchcore.cli.early import heard
from orchcore.cli.outcomes import INTERRUPTED
from orchcore.cli.overtime import Overtime
from orchcore.execution.control import Control

_ONE_PRESS_S = 0.25
"""A ^C reaches us from the terminal and, below a keeper, maybe once more from a parent."""


class Screen(Protocol):
    """A display, as far as it must leave the terminal alone for a while."""

    def pause(self) -> None:
        """Writes nothing from now on."""
        ...

    def resume(self) -> None:
        """Goes on."""
        ...


@dataclass(slots=True)
class Presses:
    """Counts requests to end: pure, it is told the time."""

    _counted: int = 0
    _last_at: float = float("-inf")

    def heard(self, now: float) -> Literal["stop", "hurry", "give up"] | None:
        """What a signal at *now* (monotonic seconds) asks for; ``None``: nothing new.

        Two signals within 0.25 s are one.
        """
        if now - self._last_at < _ONE_PRESS_S:
            return None
        self._last_at = now
        self._counted += 1
        if self._counted > 2:
            return "give up"
        return "stop" if self._counted == 1 else "hurry"


@contextmanager
def heeding_signals(control: Control, screen: Screen) -> Generator[None]:
    """Lets signals act on *control*'s run; to be entered in the running loop's main thread.

    SIGHUP and SIGTSTP keep being ignored if we were started so (``nohup``, no job control).
    """
    loop = asyncio.get_running_loop()
    overtime = Overtime(loop, _give_up)
    ear = _Ear(loop, control, overtime)
    before = {number: signal.getsignal(number) for number in _heeded()}
    for number in before:
        # asyncio wakes its loop up; what is done is up to the handler that takes the other's place
        loop.add_signal_handler(number, _nothing)
        signal.signal(number, ear)
    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
        before[signal.SIGTSTP] = signal.getsignal(signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, lambda: _stop_ourselves(loop, control, screen))
    for early in heard:
        loop.call_soon(ear, early, None)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler or signal.SIG_DFL)
        overtime.close()


def _heeded() -> Iterator[signal.Signals]:
    yield signal.SIGINT
    yield signal.SIGTERM
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


def _nothing() -> None:
    pass


class _Ear:
    """A signal handler: runs in the main thread, also while the loop is blocked.

    It takes no lock and touches nothing but counters: the loop acts.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, control: Control, overtime: Overtime
    ) -> None:
        self._loop = loop
        self._control = control
        self._overtime = overtime
        self._context = copy_context()
        self._presses = Presses()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self._overtime.heard()
        asked = self._presses.heard(time.monotonic())
        if asked == "give up":
            _give_up()
        name = signal.Signals(number).name
        # not in the context of the task that happens to be at work
        self._loop.call_soon_threadsafe(self._act, asked, name, context=self._context)

    def _act(self, asked: str | None, name: str) -> None:
        self._overtime.taken()
        if asked == "stop":
            self._control.stop(name)
        elif asked == "hurry":
            self._control.hurry()


def _give_up() -> Never:
    """Ends this process as it is; the keeper ends what is below it."""
    shows_the_cursor = b"\x1b[?25h" if os.isatty(2) else b""
    with suppress(OSError):
        os.write(2, shows_the_cursor + b"\ngiven up: the run was not ended in order\n")
    os._exit(INTERRUPTED)


def _stop_ourselves(loop: asyncio.AbstractEventLoop, control: Control, screen: Screen) -> None:
    """Stops the agents, then this process as ^Z does by default; returns when it is continued.

    There is no handler of SIGCONT: where a stop is not possible (an orphaned process group) the
    kernel drops it, no SIGCONT follows, and the agents must go on all the same.
    """
    screen.pause()
    control.suspend()
    try:
        loop.remove_signal_handler(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        # To this thread, not to the process: it then stops before the call returns.
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, lambda: _stop_ourselves(loop, control, screen))
    finally:
        control.resume()
        screen.resume()
