"""One look at all processes of this machine.

Comes in: ``/proc``, or psutil where there is none. Goes out: a ``ProcessTable``. Does not know
whose a process is (``tree.py``) and signals none but the one it is asked to.

Linux is read by hand: one ``stat`` file tells everything about a process, which is ten times
faster than psutil's objects (1 ms against 12 ms for 73 processes), and its start time in clock
ticks since boot does not move when somebody sets the clock.
"""

import os
import resource
import signal
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

MARKER = "ORCHCORE_TURN"
"""The variable by which a tree's processes are known, wherever they have gone."""
MARKER_DIGITS = 15
"""What a marker is made of: hexadecimal, so that it is a number below 2**60 as well."""

type Identity = tuple[int, int]

_PROC = Path("/proc")
_MARKER_BYTES = f"{MARKER}=".encode()
_ENVIRON_LIMIT_BYTES = 2**20
# getrlimit(2): the limit on file locks, which nothing heeds since Linux 2.4.25. Python has no name.
_RLIMIT_LOCKS = 10
_LOCKS = b"Max file locks"


class ProcessEntry(NamedTuple):
    """One process.

    Attributes:
        pid: Its number, which the system gives to another one day.
        started: When it started, in a unit of the system's own; with *pid* it is unique.
        parent: Its parent's number.
        session: Its session's number.
        dead: Whether it is a zombie: nothing of it runs any more.
        cpu_s: Processor time of it and of the children it waited for.
    """

    pid: int
    started: int
    parent: int
    session: int
    dead: bool
    cpu_s: float

    @property
    def identity(self) -> Identity:
        """What no other process ever shares."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """All processes at one moment, found by number, parent, session and marker."""

    entries: Mapping[int, ProcessEntry]
    children: Mapping[int, list[ProcessEntry]]
    sessions: Mapping[int, list[ProcessEntry]]
    marked: Mapping[str, list[ProcessEntry]] = field(default_factory=dict[str, list[ProcessEntry]])

    @classmethod
    def of(
        cls, entries: Iterable[ProcessEntry], marks: Mapping[Identity, str] | None = None
    ) -> "ProcessTable":
        """The table of *entries*; *marks* tells the marker of those that have one."""
        table = cls({}, defaultdict(list), defaultdict(list), defaultdict(list))
        by_pid = {entry.pid: entry for entry in entries}
        for entry in by_pid.values():
            table.children[entry.parent].append(entry)
            table.sessions[entry.session].append(entry)
            mark = (marks or {}).get(entry.identity)
            if mark:
                table.marked[mark].append(entry)
        return cls(by_pid, dict(table.children), dict(table.sessions), dict(table.marked))


class TableReader:
    """Reads tables; remembers markers, so that an environment is read once in a process's life.

    A marker never appears later: it is inherited, and what drops it by ``exec`` is remembered.
    Processes older than this one carry none of its own markers and are not asked, unless those of
    another one are looked for.

    Args:
        of_others: Whether markers of processes before this one are of interest, too.
    """

    def __init__(self, *, of_others: bool = False) -> None:
        own = None if of_others else next(iter(_entries([os.getpid()])), None)
        self._oldest = own.started if own else 0
        self._marks: dict[Identity, str] = {}

    def read(self) -> ProcessTable:
        """The table now. Blocks for about 15 us per process; belongs in a thread."""
        entries = list(_entries(psutil.pids()))
        # A new dict, not a changed one: a second reader in another thread then does no harm.
        self._marks = {entry.identity: self._mark(entry) for entry in entries}
        return ProcessTable.of(entries, self._marks)

    def _mark(self, entry: ProcessEntry) -> str:
        if entry.started < self._oldest:
            return ""
        known = self._marks.get(entry.identity)
        return marker_of(entry.pid) if known is None else known


def mark(pid: int, marker: str) -> None:
    """Marks our child *pid*, not yet waited for, and all it starts from now on (Linux).

    The mark is a limit that limits nothing. It is inherited like the environment, but no program
    clears it, and everybody may read it, also of a process that is not dumpable.
    """
    if _HAS_STAT:
        with suppress(OSError, ValueError):  # another user's by set-uid, or a lower hard limit
            hard = resource.getrlimit(_RLIMIT_LOCKS)[1]
            resource.prlimit(pid, _RLIMIT_LOCKS, (int(marker, 16), hard))


def marker_of(pid: int) -> str:
    """The marker *pid* bears; empty if it has none, is gone, or may not be read."""
    if _HAS_STAT:
        return _marker_in_environment(pid) or _marker_in_limits(pid)
    with suppress(psutil.Error, OSError):
        return psutil.Process(pid).environ().get(MARKER, "")
    return ""


def _marker_in_limits(pid: int) -> str:
    limits = _content(f"/proc/{pid}/limits", 4096)
    soft = limits[limits.find(_LOCKS) + len(_LOCKS) :].split(maxsplit=1)[:1]
    return f"{int(soft[0]):0{MARKER_DIGITS}x}" if soft and soft[0].isdigit() else ""


def _marker_in_environment(pid: int) -> str:
    environ = b"\0" + _content(f"/proc/{pid}/environ", _ENVIRON_LIMIT_BYTES)
    start = environ.find(b"\0" + _MARKER_BYTES)
    if start < 0:
        return ""
    start += 1 + len(_MARKER_BYTES)
    end = environ.find(b"\0", start)
    return environ[start : end if end >= 0 else None].decode("ascii", "replace")


def command_line(pid: int) -> str:
    """What *pid* was started as, for a person; its bare name if that is hidden."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        return " ".join(process.cmdline()) or process.name()
    return "?"


def send(entry: ProcessEntry, number: signal.Signals) -> bool:
    """Sends a signal to *entry*, and never to a later process of the same number.

    Returns:
        Whether it was sent or is not needed any more; ``False`` if it is not allowed.
    """
    with suppress(ProcessLookupError):
        try:
            _send(entry, number)
        except PermissionError:
            return False
    return True


def _send(entry: ProcessEntry, number: signal.Signals) -> None:
    if not hasattr(signal, "pidfd_send_signal"):
        if _is_running(entry):
            os.kill(entry.pid, number)
        return
    # The descriptor holds on to one process: what is checked is what is signalled.
    descriptor = os.pidfd_open(entry.pid)
    try:
        if _is_running(entry):
            signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _is_running(entry: ProcessEntry) -> bool:
    return any(now.identity == entry.identity for now in _entries([entry.pid]))


def _entries(pids: Iterable[int]) -> Iterable[ProcessEntry]:
    read = _entry_of_stat if _HAS_STAT else entry_of_psutil
    return filter(None, map(read, pids))


def _content(path: str, limit_bytes: int) -> bytes:
    # No file to spare (EMFILE) must not look like "gone": it is raised.
    gone = suppress(FileNotFoundError, ProcessLookupError, PermissionError)
    with gone, closing(open(path, "rb", buffering=0)) as file:  # noqa: PTH123
        return file.read(limit_bytes) or b""
    return b""


def _entry_of_stat(pid: int) -> ProcessEntry | None:
    stat = _content(f"/proc/{pid}/stat", 4096)
    # proc_pid_stat(5): the name in parentheses may hold anything; from the state on all is plain.
    fields = stat[stat.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    # A zombie with threads has only lost its first one: the process still runs.
    return ProcessEntry(
        pid=pid,
        started=int(fields[19]),
        parent=int(fields[1]),
        session=int(fields[3]),
        dead=fields[0] in b"ZX" and int(fields[17]) <= 1,
        cpu_s=sum(map(int, fields[11:15])) / _TICKS_PER_S,
    )


def entry_of_psutil(pid: int) -> ProcessEntry | None:
    """*pid* as psutil sees it: for systems without ``/proc``; ``None`` if it is gone."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        with process.oneshot():
            dead = process.status() == psutil.STATUS_ZOMBIE
            cpu = process.cpu_times() if not dead else None
            return ProcessEntry(
                pid=pid,
                started=round(process.create_time() * 1e6),
                parent=process.ppid(),
                session=os.getsid(pid),
                dead=dead,
                cpu_s=sum(cpu[:4]) if cpu else 0.0,
            )
    return None


_HAS_STAT = (_PROC / "self/stat").exists()
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
