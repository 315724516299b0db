"""A project with scripted agents, run by the real program below the harness."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import hostile
from harness.subreaper import Subreaper

HERE = Path(__file__).parent
ORCHCORE = (sys.executable, "-m", "orchcore")
GONE_WITHIN_S = 5.0
SOON_S = 30.0  # what no test waits for unless something is broken

_CONFIG = f"""\
jobs = 60
[agents.worker]
adapter = "text"
argv = ["/bin/sh", "{HERE / "agent.sh"}", "{{prompt}}"]
max_parallel = 60
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a flow as its orchfile.

    Attributes:
        folder: Where it is and where its runs are recorded.
    """

    folder: Path

    @classmethod
    def of(cls, flow: str, folder: Path, *, ten_minutes: str = "600") -> "Project":
        """A copy of ``flows/FLOW.py`` in *folder*."""
        folder.mkdir(exist_ok=True)
        source = (HERE / "flows" / f"{flow}.py").read_text().replace("600", ten_minutes)
        (folder / "orchfile.py").write_text(source)
        (folder / "orchcore.toml").write_text(_CONFIG)
        (folder / ".git").mkdir()
        return cls(folder)

    def run(self, *args: str, options: Sequence[str] = (), **harness: Any) -> Subreaper:
        """``orchcore run ARGS`` under observation; *options* are the interpreter's."""
        command = [sys.executable, *options, "-m", "orchcore", "run", "--progress", "plain", *args]
        return Subreaper(command, cwd=self.folder, env=environ(), **harness)

    def ask(self, *args: str) -> str:
        """What another command of the program prints; it must succeed."""
        done = subprocess.run(
            [*ORCHCORE, *args], cwd=self.folder, env=environ(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def recorded(self) -> dict[str, Any]:
        """The latest run, as ``orchcore runs`` tells it."""
        run: dict[str, Any] = json.loads(self.ask("runs", "--json").splitlines()[0])
        return run

    def agents(self, count: int, room: Subreaper) -> set[int]:
        """The pids of *count* agents and their tools, as soon as all of them are at work."""
        ready = self.folder / "ready"

        def told() -> list[list[str]]:
            files = ready.iterdir() if ready.exists() else ()
            return [pids for file in files if (pids := file.read_text().split())]

        until(lambda: len(told()) == count, room)
        return {int(pid) for pids in told() for pid in pids}

    def touched(self, name: str, room: Subreaper) -> None:
        """Waits for the file *name*."""
        until((self.folder / name).exists, room)

    def with_hostile_agent(self) -> "Project":
        """Makes ``worker`` an agent that starts one tool of every hostile kind."""
        pids = self.folder / "ready"
        pids.mkdir()
        tools = [shlex.join(hostile.command(kind, pids / kind)) for kind in hostile.KINDS]
        script = self.folder / "hostile.sh"
        started = "".join(f"{tool} > /dev/null 2>&1 &\n" for tool in tools)
        # no agent asks its model in less, and it takes a millisecond until a launched one is marked
        script.write_text(f"sleep 0.1\n{started}wait\n")
        config = self.folder / "orchcore.toml"
        config.write_text(_CONFIG.replace(str(HERE / "agent.sh"), str(script)))
        return self


def environ() -> dict[str, str]:
    """Our environment without what changes a display, and with a demo agent that never waits."""
    loud = {"CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "GITHUB_ACTIONS"}
    kept = {name: value for name, value in os.environ.items() if name not in loud}
    return {**kept, "TERM": "xterm", "ORCHCORE_DEMO_SPEED": "0", "LC_ALL": "C.UTF-8"}


def at_once(*scenes: Callable[[], None]) -> None:
    """Plays *scenes* in threads, two at a time: they mostly wait. Raises what the first raised."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        for played in [pool.submit(scene) for scene in scenes]:
            played.result()


def until(condition: Callable[[], bool], room: Subreaper, within_s: float = SOON_S) -> None:
    """Waits for *condition*; fails with what is alive and was printed."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{room.alive()}\n{shown(room)}"
        time.sleep(0.02)


def said(words: str, room: Subreaper) -> None:
    """Waits until the command has printed *words*."""
    until(lambda: words in shown(room), room)


def shown(room: Subreaper) -> str:
    """All that the command has printed."""
    return room.terminal.screen if hasattr(room, "terminal") else room.output()


def is_there(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def assert_ended_in_order(project: Project, room: Subreaper, within_s: float = SOON_S) -> None:
    """Exit 2, nothing left, the summary printed, no traceback, and the record closed."""
    assert room.wait(within_s) == 2, shown(room)
    assert room.left_after(0) == []
    assert "Traceback" not in shown(room)
    assert "stopped early: " in shown(room)
    record = project.recorded()
    assert (record["state"], record["exit_code"]) == ("ended", 2)
    assert "stopped early: " in project.ask("show")
