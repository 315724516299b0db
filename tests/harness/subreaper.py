"""A command and everything that descends from it, under observation."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from harness.terminal import Terminal

_OVERSEER = Path(__file__).with_name("overseer.py")
KEEPER_NAME = "agents-keeper"


@dataclass(frozen=True, slots=True)
class Alive:
    """A living process below the harness (a zombie does not count)."""

    pid: int
    parent: int
    group: int
    session: int
    name: str
    command: str
    started: float


@dataclass(frozen=True, slots=True)
class Three:
    """The pids that ``orchcore.agents.keeper.guard`` makes of one."""

    front: int
    keeper: int
    orchestrator: int


class Subreaper:
    """Runs *command* below a child subreaper of its own, as a context manager.

    Whatever the command starts stays a descendant of that subreaper, so ``alive()`` sees it, be
    it in another session, with another name, without an environment. Leaving the context kills
    what is left, by pid.

    Args:
        command: Program and arguments.
        cwd: Its working directory; ours without.
        env: Its whole environment; ours without.
        stdin: A file number for it to inherit; ``/dev/null`` without.
        stdout: The same; without, ``output()`` collects it.
        stderr: The same as *stdout*.
        terminal: Whether all three are a new pseudo terminal that *command*, then the leader of
            a new session, controls. ``self.terminal`` is its keyboard and screen. Otherwise the
            command leads a process group of its own in our session.

    Attributes:
        pid: The command's: what a shell would call ``$!``.
        terminal: Its keyboard and screen, if it has one.
    """

    pid: int
    terminal: Terminal

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        terminal: bool = False,
    ) -> None:
        self._command = command
        self._cwd = cwd
        self._env = env
        self._standard = (stdin, stdout, stderr)
        self._wants_terminal = terminal
        self._ended: int | None = None
        self._heard = b""

    def __enter__(self) -> Self:
        self._output = tempfile.TemporaryFile()
        inherited = self._open_standard()
        wants = "1" if self._wants_terminal else "0"
        self._overseer = subprocess.Popen(
            [sys.executable, "-I", _OVERSEER, wants, *map(str, inherited), *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=set(inherited),
            start_new_session=True,
            cwd=self._cwd,
            env=self._env,
        )
        os.close(inherited[0])
        self.pid = int(self._hear(30)["pid"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._overseer.communicate()
        if self._wants_terminal:
            self.terminal.hang_up()
        self._output.close()

    def alive(self) -> list[Alive]:
        """Every living process below the harness, oldest first.

        Looks twice and until both agree: a look takes a while, and who gets another parent
        meanwhile may be seen below nobody, with all that is below it.
        """
        found = self._look()
        for _ in range(10):
            before, found = found, self._look()
            if found == before:
                break
        return found

    def left_after(self, within_s: float) -> list[Alive]:
        """What is still alive after *within_s* seconds; returns at once when nothing is."""
        deadline = time.monotonic() + within_s
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def three(self, within_s: float) -> Three:
        """Front, keeper and orchestrator, anywhere below the harness, as soon as they are there.

        Raises:
            TimeoutError: The command has no keeper, or had not within *within_s* seconds.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            there = {process.pid: process for process in self.alive()}
            for keeper in there.values():
                front = there.get(keeper.parent)
                if keeper.name != KEEPER_NAME or front is None:
                    continue
                for child in there.values():  # the orchestrator is the oldest child
                    if child.parent == keeper.pid and child.group == front.group:
                        return Three(front.pid, keeper.pid, child.pid)
            time.sleep(0.01)
        raise TimeoutError(f"no keeper within {within_s} s; there are {self.alive()}")

    def wait(self, within_s: float) -> int:
        """The command's exit code, negative for a signal, as soon as it has ended.

        Raises:
            TimeoutError: It had not within *within_s* seconds.
        """
        if self._ended is None:
            self._ended = int(self._hear(within_s)["ended"])
        return self._ended

    def output(self) -> str:
        """What it has written so far to the standard files that were not given."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def stop(self) -> None:
        """Kills what there is now and waits until it is gone (at most 10 s)."""
        for process in self.alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self.left_after(10)

    def _look(self) -> list[Alive]:
        found: list[Alive] = []
        for process in psutil.Process(self._overseer.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(_look_at(process))
        return sorted(found, key=lambda process: (process.started, process.pid))

    def _open_standard(self) -> list[int]:
        """The three files the command inherits; the first is ours to close."""
        if self._wants_terminal:
            master, slave = os.openpty()
            self.terminal = Terminal(master)
            return [slave, slave, slave]
        stdin, stdout, stderr = self._standard
        own = os.open(os.devnull, os.O_RDONLY) if stdin is None else os.dup(stdin)
        collected = self._output.fileno()
        return [
            own,
            collected if stdout is None else stdout,
            collected if stderr is None else stderr,
        ]

    def _hear(self, within_s: float) -> dict[str, int]:
        """The overseer's next word."""
        assert self._overseer.stdout is not None
        deadline = time.monotonic() + within_s
        while b"\n" not in self._heard:
            left_s = max(deadline - time.monotonic(), 0)
            if not select.select([self._overseer.stdout], [], [], left_s)[0]:
                raise TimeoutError(f"not within {within_s} s; there are {self.alive()}")
            self._heard += (data := os.read(self._overseer.stdout.fileno(), 4096))
            if not data:
                raise ChildProcessError("the overseer died")
        line, _, self._heard = self._heard.partition(b"\n")
        words: dict[str, int] = json.loads(line)
        return words


def _look_at(process: psutil.Process) -> Alive:
    with process.oneshot():
        return Alive(
            process.pid,
            process.ppid(),
            os.getpgid(process.pid),
            os.getsid(process.pid),
            process.name(),
            " ".join(process.cmdline()),
            process.create_time(),
        )
