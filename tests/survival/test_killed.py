"""kill -9 of every process that the program is made of: no agent and no tool outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from harness import hostile
from harness.subreaper import Subreaper
from survival.stage import GONE_WITHIN_S, SOON_S, Project, at_once

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="child subreapers are Linux's"
)

PARTS: dict[str, tuple[str, ...]] = {
    "front": ("front",),
    "orchestrator": ("orchestrator",),
    "keeper": ("keeper",),
    "front and orchestrator": ("front", "orchestrator"),
    "front and keeper": ("front", "keeper"),
    "keeper and orchestrator": ("keeper", "orchestrator"),
}
NAMES: dict[str, tuple[str, ...]] = {
    "command line": ("-f", "orchcore run"),
    "program": ("-f", "orchcore"),
    "interpreter": ("python",),
}
ENDS_IN_ORDER = {"front", "keeper", "front and keeper"}
"""Whose death the orchestrator is told of, with the time to end in order."""


def test_nothing_outlives_the_program(tmp_path: Path) -> None:
    """Ten hostile kinds of tool are gone in five seconds, whichever processes were killed."""
    at_once(*(partial(_kill, whom, tmp_path / whom) for whom in PARTS))


def _kill(whom: str, folder: Path) -> None:
    with _hostile(folder) as (project, room):
        three = room.three(SOON_S)
        _kill_all(getattr(three, part) for part in PARTS[whom])
        assert room.left_after(GONE_WITHIN_S) == [], whom
    record = project.recorded()
    if whom in ENDS_IN_ORDER:
        assert (record["state"], record["exit_code"]) == ("ended", 2), whom
    else:
        assert record["state"] == "died", whom


def test_nothing_outlives_all_that_were_meant_at_once(tmp_path: Path) -> None:
    """``kill -9 -GROUP``, ``pkill -9 -s SESSION`` and ``pkill -9 NAME`` miss the keeper."""
    at_once(
        partial(_kill_group, tmp_path / "group"),
        partial(_kill_session, tmp_path / "session"),
        *(partial(_kill_name, name, tmp_path / name) for name in NAMES),
    )


def _kill_group(folder: Path) -> None:
    with _hostile(folder) as (_, room):
        os.killpg(os.getpgid(room.three(SOON_S).front), signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []


def _kill_session(folder: Path) -> None:
    with _hostile(folder) as (_, room):
        session = os.getsid(room.three(SOON_S).front)  # the tests' own: others are in it
        _kill_all(one.pid for one in room.alive() if one.session == session)
        assert room.left_after(GONE_WITHIN_S) == []


def _kill_name(name: str, folder: Path) -> None:
    with _hostile(folder) as (_, room):
        room.three(SOON_S)
        pgrep = ["pgrep", *NAMES[name]]
        meant = subprocess.run(pgrep, check=True, capture_output=True, text=True).stdout.split()
        _kill_all({one.pid for one in room.alive()} & {int(pid) for pid in meant})
        assert room.left_after(GONE_WITHIN_S) == [], name


@contextmanager
def _hostile(folder: Path) -> Generator[tuple[Project, Subreaper]]:
    """A run whose agent has started ten hostile tools."""
    project = Project.of("hostile", folder).with_hostile_agent()
    with project.run() as room:
        kinds = project.agents(len(hostile.KINDS), room)
        assert kinds <= {process.pid for process in room.alive()}
        yield project, room


def _kill_all(pids: Iterable[int]) -> None:
    for pid in list(pids):
        with suppress(ProcessLookupError):  # one that was killed may have taken it along
            os.kill(pid, signal.SIGKILL)


def test_exit_status_of_a_killed_program(tmp_path: Path) -> None:
    """The shell sees the SIGKILL of the orchestrator, and 2 where it was its keeper's."""
    for whom, status in (("orchestrator", -signal.SIGKILL), ("keeper", 2)):
        project = Project.of("backing_off", tmp_path / whom)
        with project.run() as room:
            _until_working(room)
            os.kill(getattr(room.three(SOON_S), whom), signal.SIGKILL)
            assert room.wait(GONE_WITHIN_S) == status


def test_a_run_after_a_killed_one(tmp_path: Path) -> None:
    """What was killed stays recorded as that, and does not keep the next run."""
    project = Project.of("backing_off", tmp_path)
    with project.run() as room:
        _until_working(room)
        os.kill(room.three(SOON_S).orchestrator, signal.SIGKILL)
        room.wait(GONE_WITHIN_S)
    died = project.recorded()["run"]
    with project.run() as room:
        _until_working(room)
        os.kill(room.pid, signal.SIGINT)
        assert room.wait(GONE_WITHIN_S) == 2
    assert "died" in project.ask("runs")
    assert died in project.ask("show", died)


def _until_working(room: Subreaper) -> None:
    deadline = time.monotonic() + SOON_S
    while "attempt 2 of 4" not in room.output():
        assert time.monotonic() < deadline, room.output()
        time.sleep(0.02)
