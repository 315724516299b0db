"""Which process writes a journal, and the lock that keeps it the only one."""

import fcntl
import json
import os
import socket
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from orchcore.errors import Problem, RecordingError

_LOCK_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Origin:
    """The orchestrator that works on a run.

    Attributes:
        orchfile: The file that is run, as a person would name it.
        argv: Its command line; secrets are to be masked by whoever passes it.
        cwd: Its working directory.
        version: Of orchcore.
        host: The machine's name.
        boot_id: Changes with every start of the machine; empty where it is not known.
        pid: Its process id, as it sees it itself.
        pid_started: Unix time at which it started; tells it from a later one with its id.
    """

    orchfile: str
    argv: tuple[str, ...]
    cwd: Path
    version: str
    host: str
    boot_id: str
    pid: int
    pid_started: float

    @classmethod
    def here(cls, orchfile: str, argv: tuple[str, ...] | None = None) -> Self:
        """This process, running *orchfile*.

        Args:
            orchfile: As a person would name it.
            argv: What is recorded as the command line; ``sys.argv`` if not told.
        """
        import psutil

        return cls(
            orchfile=orchfile,
            argv=tuple(sys.argv) if argv is None else argv,
            cwd=Path.cwd(),
            version=_own_version(),
            host=socket.gethostname(),
            boot_id=boot_id(),
            pid=os.getpid(),
            pid_started=psutil.Process().create_time(),
        )

    @property
    def argv_json(self) -> str:
        """The command line as a JSON list."""
        return json.dumps(self.argv)


def take_lock(path: Path) -> int:
    """Makes this process the only writer; the lock lasts until the descriptor is closed.

    The kernel lets go of it when the process ends, however it ends: no stale lock, no process id
    to be compared. Its time is set to now, which orders the runs of a project.

    Returns:
        The descriptor, close-on-exec.

    Raises:
        RecordingError: Another process holds it.
        OSError: It cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    # A reader holds it for some microseconds, to see whether the run is alive.
    until = time.monotonic() + _LOCK_PATIENCE_S
    while not _locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > until:
            os.close(descriptor)
            raise RecordingError(_in_use(path))
        time.sleep(0.02)
    os.utime(descriptor)
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a living process writes the run with this lock file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(path: Path) -> Problem:
    run = path.parent.name
    return Problem(
        "run-in-use",
        f"run {run} is still being written by another process",
        hints=(f"wait for its end; watch it: orchcore show {run}",),
    )


def boot_id() -> str:
    """Changes with every start of the machine; empty where it is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _own_version() -> str:
    try:
        return version("orchcore")
    except PackageNotFoundError:
        return "unknown"
