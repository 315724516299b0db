"""``orchcore.run`` inside another program: cancelled, several at once, and what it leaves."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import orchcore
from harness import hostile
from harness.subreaper import Subreaper
from survival.stage import GONE_WITHIN_S, HERE, Project, at_once, environ, until

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the harness adopts orphans as Linux can"
)


@contextmanager
def program(how: str, *projects: Project) -> Generator[Subreaper]:
    """``library_program.py``, which stays when it is done until the block is left."""
    command = [sys.executable, str(HERE / "library_program.py"), how]
    reading, writing = os.pipe()
    folders = [str(project.folder) for project in projects]
    try:
        with Subreaper(
            [*command, *folders], cwd=projects[0].folder, env=environ(), stdin=reading
        ) as room:
            yield room
    finally:
        os.close(reading)
        os.close(writing)


def told(room: Subreaper) -> dict[str, Any]:
    """What the program says of its end, when it says so."""
    until(lambda: room.output().endswith("}\n"), room)
    words: dict[str, Any] = json.loads(room.output().splitlines()[-1])
    return words


def test_cancelled_run_leaves_nothing_and_others_alone(tmp_path: Path) -> None:
    """Trees gone, resources closed, no task pending; another run in the same loop goes on."""
    at_once(partial(_two_runs, tmp_path), partial(_timeout, tmp_path / "timeout"))


def _timeout(folder: Path) -> None:
    project = Project.of("shared", folder)
    with program("cancelled", project) as room:
        project.agents(3, room)
        asked_at = time.monotonic()
        assert told(room) == {"how": "timed out", "pending": []}
        assert time.monotonic() - asked_at < GONE_WITHIN_S
        assert [one.pid for one in room.left_after(0)] == [room.pid]
        assert (folder / "closed").exists()
    record = project.recorded()
    assert (record["state"], record["exit_code"]) == ("ended", 2)


def _two_runs(folder: Path) -> None:
    doomed = Project.of("shared", folder / "doomed")
    other = Project.of("breathing", folder / "other", ten_minutes="30")
    with program("two", doomed, other) as room:
        assert told(room) == {
            "cancelled": True,
            "went_on": True,
            "states": {"work": "passed"},
            "pending": [],
        }
        assert [one.pid for one in room.left_after(0)] == [room.pid]
    assert doomed.recorded()["exit_code"] == 2
    assert other.recorded()["exit_code"] == 0


def test_signals_end_a_synchronous_run(tmp_path: Path) -> None:
    """``run_sync`` ends in order at ^C, in a hurry at the second, and then is interrupted."""
    at_once(
        partial(_interrupt, Project.of("shared", tmp_path / "once"), 1),
        partial(_interrupt, Project.of("shared", tmp_path / "twice"), 2),
        partial(_terminate, Project.of("shared", tmp_path / "terminated")),
    )


def _interrupt(project: Project, presses: int) -> None:
    with program("sync", project) as room:
        project.agents(3, room)
        for _ in range(presses):
            os.kill(room.pid, signal.SIGINT)
            time.sleep(0.5)
        assert told(room) == {"how": "interrupted"}
        assert [one.pid for one in room.left_after(0)] == [room.pid]
        assert (project.folder / "closed").exists()
    assert project.recorded()["exit_code"] == 2


def _terminate(project: Project) -> None:
    """SIGTERM ends the trees in order before it does what it does by default."""
    with program("sync", project) as room:
        project.agents(3, room)
        os.kill(room.pid, signal.SIGTERM)
        assert room.wait(GONE_WITHIN_S) == -signal.SIGTERM
        assert room.left_after(0) == []
        assert (project.folder / "closed").exists()
    assert project.recorded()["exit_code"] == 2


async def test_synchronous_run_in_another_thread(tmp_path: Path) -> None:
    """Where there are no signals to be had, ``run_sync`` runs without."""
    project = Project.of("quick", tmp_path)
    run = partial(orchcore.run_sync, orchfile=project.folder / "orchfile.py")
    assert (await asyncio.to_thread(run)).ok


async def test_nothing_is_pending_after_an_untidy_run(tmp_path: Path) -> None:
    """Failures, time-outs, fail-fast, forgotten tasks and turns: afterwards only the caller is left."""
    project = Project.of("untidy", tmp_path)
    before = set(psutil.Process().children(recursive=True))
    result = await orchcore.run(orchfile=project.folder / "orchfile.py")
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert set(psutil.Process().children(recursive=True)) <= before
    assert result.exit_code == 1
    assert {node: state for node, state in result.states.items() if ":" not in node} == {
        "forgets_tasks": "passed",
        "forgets_turns": "passed",
        "forgets_a_stream": "passed",
        "fails": "failed",
        "takes_too_long": "failed",
        "blocks": "failed",
        "fails_fast": "failed",
        "never": "blocked",
        "last": "passed",
    }


async def test_nothing_is_pending_after_a_run_that_is_cancelled_at_any_time(tmp_path: Path) -> None:
    """Whenever the caller loses patience: no task, no process."""
    project = Project.of("untidy", tmp_path)
    before = set(psutil.Process().children(recursive=True))
    for delay_s in (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.7):
        try:
            async with asyncio.timeout(delay_s):
                await orchcore.run(orchfile=project.folder / "orchfile.py")
        except TimeoutError:
            pass
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert set(psutil.Process().children(recursive=True)) <= before


def test_a_killed_program_leaves_nothing(tmp_path: Path) -> None:
    """No keeper is above it, but a guard beside it: ten hostile kinds of tool are gone, and it is.

    ``kill -9`` of the program's whole group misses the guard, which has a group of its own.
    """
    for how in (os.kill, os.killpg):
        project = Project.of("hostile", tmp_path / how.__name__).with_hostile_agent()
        with program("sync", project) as room:
            project.agents(len(hostile.KINDS), room)
            assert len([one for one in room.alive() if "orchcore.agents.guard" in one.command]) == 1
            how(room.pid, signal.SIGKILL)
            assert room.left_after(GONE_WITHIN_S) == []


def test_a_guard_ends_with_its_run(tmp_path: Path) -> None:
    """The program goes on without it."""
    project = Project.of("quick", tmp_path)
    with program("sync", project) as room:
        assert told(room) == {"how": "returned"}
        assert [one.pid for one in room.alive()] == [room.pid]
