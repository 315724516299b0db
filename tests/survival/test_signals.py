"""SIGINT, SIGTERM and SIGHUP at every moment of a run, judged by descent."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from survival.stage import (
    GONE_WITHIN_S,
    SOON_S,
    Project,
    assert_ended_in_order,
    at_once,
    is_there,
    said,
    shown,
    until,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the harness adopts orphans as Linux can"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fifty_agents_are_gone_in_five_seconds(tmp_path: Path, number: signal.Signals) -> None:
    """All trees end, also those that ignore signals; summary, exit code and record are there."""
    project = Project.of("many", tmp_path)
    with project.run() as room:
        pids = project.agents(50, room)
        asked_at = time.monotonic()
        os.kill(room.pid, number)
        until(lambda: not any(map(is_there, pids)), room)
        assert time.monotonic() - asked_at < GONE_WITHIN_S
        assert_ended_in_order(project, room)
        assert "50 cancelled" in room.output()
        assert project.recorded()["states"] == {"cancelled": 50}


def test_second_signal_cuts_everything_short(tmp_path: Path) -> None:
    """Tear-downs and ``finally`` blocks of ten minutes have two seconds; the end is in order."""
    at_once(partial(_tear_down, tmp_path / "resource"), partial(_finally, tmp_path / "body"))


def _tear_down(folder: Path) -> None:
    project = Project.of("tear_down", folder)
    with project.run() as room:
        project.agents(1, room)
        os.kill(room.pid, signal.SIGINT)
        project.touched("closing", room)
        time.sleep(0.3)  # quicker than that is the same press
        os.kill(room.pid, signal.SIGINT)
        assert_ended_in_order(project, room, within_s=10)
        assert "did not close in" in room.output()
        assert (folder / "closed").exists()


def _finally(folder: Path) -> None:
    project = Project.of("stubborn", folder)
    with project.run(options=["-u"]) as room:
        said("started", room)
        os.kill(room.pid, signal.SIGINT)
        said("ending", room)
        time.sleep(0.3)
        os.kill(room.pid, signal.SIGINT)
        assert_ended_in_order(project, room, within_s=10)
        assert "does not end although cancelled" in room.output()


def test_blocking_code_does_not_keep_a_run(tmp_path: Path) -> None:
    """A body in ``time.sleep``, in the loop or in a thread, is left within seconds of one ^C."""
    at_once(*(partial(_block, how, tmp_path / how) for how in ("loop", "thread")))


def _block(how: str, folder: Path) -> None:
    project = Project.of("blocking", folder)
    with project.run("work", how) as room:
        project.agents(1, room)
        project.touched("blocked", room)
        os.kill(room.pid, signal.SIGINT)
        assert_ended_in_order(project, room, within_s=15)
        assert "2 cancelled" in room.output()


def test_signal_while_backing_off(tmp_path: Path) -> None:
    """A retry that is due in ten minutes is not waited for."""
    project = Project.of("backing_off", tmp_path)
    with project.run() as room:
        said("attempt 2 of 4 in", room)
        os.kill(room.pid, signal.SIGINT)
        assert_ended_in_order(project, room, within_s=10)


def test_signal_while_a_person_is_asked(tmp_path: Path) -> None:
    """^C at a question ends the agents that work meanwhile, and the line is left."""
    project = Project.of("approval", tmp_path)
    with project.run(terminal=True) as room:
        project.agents(1, room)
        room.terminal.read_until("approve? [y/n/e/r/?]", within_s=SOON_S)
        room.terminal.type(b"\x03")
        assert_ended_in_order(project, room, within_s=10)


def test_signal_while_the_orchfile_is_imported(tmp_path: Path) -> None:
    """Before there is a run the process just goes, with 2 and without a traceback."""
    project = Project.of("importing", tmp_path)
    with project.run() as room:
        project.touched("importing", room)
        os.kill(room.pid, signal.SIGINT)
        assert room.wait(5) == 2
        assert room.left_after(0) == []
        assert "Traceback" not in room.output()


MODULES = (
    "click.core",
    "orchcore.cli.orchfile_command",
    "orchcore.agents.orphans",
    "orchcore.agents.front",
    "orchcore.agents.keeper",
    "orchcore.collection.loading",
    "orchcore.execution.running",
    "orchcore.pipeline",
)


def test_signal_in_the_start(tmp_path: Path) -> None:
    """At any moment of the program's own start, also while its keeper starts: 2, no traceback."""
    at_once(*(partial(_interrupt_import, module, tmp_path / module) for module in MODULES))


def _interrupt_import(module: str, folder: Path) -> None:
    project = Project.of("backing_off", folder)
    with project.run(options=["-X", "importtime"]) as room:
        until(lambda: f" {module}\n" in room.output(), room)
        os.kill(room.pid, signal.SIGINT)
        assert room.wait(10) == 2, f"{module}: {shown(room)}"
        assert room.left_after(0) == []
        assert "Traceback" not in room.output()
