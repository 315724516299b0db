"""kill -9 of every process that the program is made of: no agent and no tool outlives it."""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness import hostile
from harness.subreaper import Subreaper, Three
from survival.stage import GONE_WITHIN_S, SOON_S, Project, at_once

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="child subreapers are Linux's"
)

type Kill = Callable[[Three], None]

KILLS: dict[str, Kill] = {
    "front": lambda three: os.kill(three.front, signal.SIGKILL),
    "orchestrator": lambda three: os.kill(three.orchestrator, signal.SIGKILL),
    "keeper": lambda three: os.kill(three.keeper, signal.SIGKILL),
    "foreground group": lambda three: os.killpg(os.getpgid(three.front), signal.SIGKILL),
}


def test_nothing_outlives_the_program(tmp_path: Path) -> None:
    """Ten hostile kinds of tool are gone in five seconds, whichever process was killed."""
    at_once(*(partial(_kill, whom, tmp_path / whom) for whom in KILLS))


def _kill(whom: str, folder: Path) -> None:
    project = Project.of("hostile", folder).with_hostile_agent()
    with project.run() as room:
        kinds = project.agents(len(hostile.KINDS), room)
        assert kinds <= {process.pid for process in room.alive()}
        KILLS[whom](room.three(SOON_S))
        assert room.left_after(GONE_WITHIN_S) == [], whom
    record = project.recorded()
    if whom in ("front", "keeper"):  # the orchestrator was told, and had the time to end in order
        assert (record["state"], record["exit_code"]) == ("ended", 2), whom
    else:
        assert record["state"] == "died", whom


def test_exit_status_of_a_killed_program(tmp_path: Path) -> None:
    """The shell sees the SIGKILL of the orchestrator, and 2 where it was its keeper's."""
    for whom, status in (("orchestrator", -signal.SIGKILL), ("keeper", 2)):
        project = Project.of("backing_off", tmp_path / whom)
        with project.run() as room:
            _until_working(room)
            KILLS[whom](room.three(SOON_S))
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
