"""Streams and terminals that go away while agents work."""

import shlex
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from harness.subreaper import Subreaper
from survival.stage import (
    GONE_WITHIN_S,
    SOON_S,
    Project,
    at_once,
    environ,
    until,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the harness adopts orphans as Linux can"
)

RUN = f"{shlex.quote(sys.executable)} -m orchcore run"


def test_reader_that_leaves_ends_neither_the_run_nor_a_body(tmp_path: Path) -> None:
    """``orchcore run | head -1``: everything passes, and nobody complains."""
    at_once(*(partial(_leave, how, tmp_path / how) for how in ("plain", "json", "quiet")))


def _leave(progress: str, folder: Path) -> None:
    project = Project.of("printing", folder)
    line = f'{RUN} --progress {progress} | head -1 > /dev/null; echo "status ${{PIPESTATUS[0]}}"'
    with Subreaper(["bash", "-c", line], cwd=folder, env=environ()) as room:
        room.wait(SOON_S)
        assert "status 0" in room.output().splitlines(), room.output()
        assert "BrokenPipe" not in room.output()
        assert "Exception" not in room.output()
    assert project.recorded()["states"] == {"passed": 2}


def test_full_disk_behind_stdout_ends_neither_the_run_nor_a_body(tmp_path: Path) -> None:
    """``orchcore run > /dev/full``: the record is whole and the exit code is the run's."""
    at_once(*(partial(_fill, how, tmp_path / how) for how in ("plain", "json")))


def _fill(progress: str, folder: Path) -> None:
    project = Project.of("printing", folder)
    with (
        Path("/dev/full").open("wb") as full,
        project.run("--progress", progress, stdout=full.fileno()) as room,
    ):
        status = room.wait(SOON_S)
        assert "Exception" not in room.output()
        assert "Traceback" not in room.output()
    assert project.recorded()["states"] == {"passed": 2}
    assert status == 0


def test_hang_up_ends_in_order(tmp_path: Path) -> None:
    """A closed terminal ends the agents; the record says so, since nobody reads the summary."""
    project = Project.of("approval", tmp_path)
    with project.run("--progress", "tty", terminal=True) as room:
        project.agents(1, room)
        room.terminal.read_until("approve? [y/n/e/r/?]", within_s=SOON_S)
        room.terminal.hang_up()
        assert room.wait(10) == 2
        assert room.left_after(0) == []
    assert (project.recorded()["state"], project.recorded()["exit_code"]) == ("ended", 2)


def test_agents_outlive_their_terminal_and_a_stop(tmp_path: Path) -> None:
    """With ``nohup`` they work on without a terminal; after ^Z and fg nobody calls them stalled."""
    at_once(partial(_nohup, tmp_path / "nohup"), partial(_stop_and_go_on, tmp_path / "stopped"))


def _nohup(folder: Path) -> None:
    project = Project.of("breathing", folder)
    command = ["nohup", "/bin/sh", "-c", f"exec {RUN} > log 2>&1"]
    with Subreaper(command, cwd=folder, env=environ(), terminal=True) as room:
        until(lambda: any("sleep 600" in one.command for one in room.alive()), room)
        room.terminal.hang_up()
        assert room.wait(SOON_S) == 0
        assert room.left_after(GONE_WITHIN_S) == []
    assert project.recorded()["states"] == {"passed": 1}
    assert "1 passed" in (folder / "log").read_text()


def _stop_and_go_on(folder: Path) -> None:
    """^Z for longer than ``idle`` and ``timeout`` allow stops the trees; after fg the run passes."""
    project = Project.of("breathing", folder)
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Subreaper(shell, cwd=folder, env=environ(), terminal=True) as room:
        room.terminal.type(f"{RUN} --progress plain; echo code=$?.\n".encode())
        until(lambda: len(trees(room)) == 2, room)
        room.terminal.type(b"\x1a")
        room.terminal.read_until("Stopped", SOON_S)
        # one that was about to start another sleeps in the kernel (D) until that one goes on
        until(lambda: "T" in states(room) and states(room) <= {"T", "D"}, room)
        time.sleep(5)
        room.terminal.type(b"fg; echo code=$?.\n")
        until(lambda: "T" not in states(room), room)
        room.terminal.read_until("code=0.", SOON_S)
        room.terminal.type(b"exit\n")
        assert room.left_after(GONE_WITHIN_S) == []
    assert project.recorded()["states"] == {"passed": 1}


def test_stopped_run_can_be_ended(tmp_path: Path) -> None:
    """SIGTERM for a job that ^Z has stopped: it wakes up, ends its agents, and only the shell stays."""
    project = Project.of("tear_down", tmp_path, ten_minutes="0")
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Subreaper(shell, cwd=tmp_path, env=environ(), terminal=True) as room:
        room.terminal.type(f"{RUN} --progress plain\n".encode())
        project.agents(1, room)
        room.terminal.type(b"\x1a")
        room.terminal.read_until("Stopped", SOON_S)
        room.terminal.type(b"kill %1\n")
        room.terminal.read_until("stopped early: SIGTERM", SOON_S)
        until(lambda: [one.pid for one in room.alive()] == [room.pid], room)
    assert project.recorded()["exit_code"] == 2


def trees(room: Subreaper) -> list[int]:
    """The demo agent and its tool."""
    words = ("demo_agent.py", "sleep 600")
    return [one.pid for one in room.alive() if any(word in one.command for word in words)]


def states(room: Subreaper) -> set[str]:
    return {
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in trees(room)
    }
