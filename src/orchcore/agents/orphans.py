"""Linux's answer to processes that slip away: adopt them, find them, end them.

A process whose parent dies falls to the nearest ancestor that is a *child subreaper*
(prctl(2), PR_SET_CHILD_SUBREAPER), whatever session, name or environment it gave itself. So a
subreaper that has no children has no descendants either, and ``end_descendants`` stops there.

The standard library only, ctypes not before it is needed; Linux 5.3 or newer.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as the process table had it.

    Attributes:
        pid: Its id, used again by others once it has been waited for.
        state: ``R`` running, ``S`` asleep, ``T`` stopped, ``Z`` ended; proc_pid_stat(5).
        parent: Pid of the parent it has now.
        group: Id of its process group.
        session: Id of its session.
        started: Clock ticks from boot to its start; with *pid* it names a process for ever.
    """

    pid: int
    state: str
    parent: int
    group: int
    session: int
    started: int


def adopt() -> None:
    """Makes this process the one its descendants fall to when their parents die.

    Whoever adopts has to reap: an adopted process that ends stays a zombie until it is waited
    for. The orchestrator therefore leaves adopting to its keeper.

    Raises:
        ImportError: This Python was built without ctypes.
        OSError: Not Linux, or refused.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def is_subreaper() -> bool:
    """Whether orphaned descendants fall to this process.

    Raises:
        ImportError: This Python was built without ctypes.
        OSError: Not Linux, or refused.
    """
    import ctypes

    answer = ctypes.c_int()
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(answer))
    return bool(answer.value)


def end_with(parent: int, number: int) -> None:
    """Has the kernel send this process signal *number* when *parent* dies, or if it has died.

    Raises:
        ImportError: This Python was built without ctypes.
        OSError: Not Linux, or refused.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def die_of(number: int) -> None:
    """Ends this process by signal *number*, as its child was ended, without a core dump.

    Returns only where signals do not kill: in the first process of a container.

    Raises:
        ImportError: This Python was built without ctypes.
        OSError: Not Linux, or refused.
    """
    _prctl(_PR_SET_DUMPABLE, 0)
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def take_name(name: str) -> None:
    """Has ``ps``, ``pgrep`` and ``killall`` call this process *name*, also by its command line.

    The arguments are overwritten in place, as setproctitle does it: prctl(2) would ask for
    privileges, and a new program for 15 ms. A child has a copy of its own.

    Raises:
        ImportError: This Python was built without ctypes.
        OSError: Not Linux, or refused.
    """
    import ctypes

    with open("/proc/self/comm", "w") as file:  # noqa: PTH123 - as above
        file.write(name)
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - as above
        start, end = map(int, file.read().rpartition(b")")[2].split()[45:47])
    if start:
        shown = name.encode()[: end - start - 1]
        ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def reap() -> dict[int, int]:
    """Waits for every child that has ended, adopted ones too; gives their wait statuses by pid.

    Not for a process with an event loop or ``subprocess``: they would miss their children.
    """
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended[child[0]] = child[1]
    return ended


def has_child(pid: int | None = None) -> bool:
    """Whether *pid* is a child of this process and not yet reaped; without it, whether any is."""
    kind = os.P_ALL if pid is None else os.P_PID
    try:
        os.waitid(kind, pid or 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def look_at(pid: int) -> Seen | None:
    """The process that has this *pid* now; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - one of thousands of reads
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    parent, group, session = (int(field) for field in fields[1:4])
    return Seen(pid, fields[0].decode(), parent, group, session, started=int(fields[19]))


def look_at_all() -> Iterator[Seen]:
    """Every process there is, in the order of ``/proc``."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
        if name.isdecimal() and (process := look_at(int(name))) is not None:
            yield process


def is_under_job_control() -> bool:
    """Whether a shell could continue this process's group if it were stopped.

    POSIX's question (is the group not orphaned?): does any member have a parent in another group
    of the same session?
    """
    everybody = {process.pid: process for process in look_at_all()}
    us = everybody[os.getpid()]
    members = [seen for seen in everybody.values() if seen.group == us.group]
    parents = [everybody.get(seen.parent) for seen in members]
    return any(
        parent is not None and parent.session == us.session and parent.group != us.group
        for parent in parents
    )


def descendants(ancestor: int) -> Iterator[Seen]:
    """Every process below *ancestor* at this moment, parents before their children."""
    children: dict[int, list[Seen]] = {}
    for process in look_at_all():
        children.setdefault(process.parent, []).append(process)
    generation = children.get(ancestor, [])
    while generation:
        yield from generation
        generation = [child for seen in generation for child in children.get(seen.pid, ())]


def kill(process: Seen) -> None:
    """Kills *process* and nobody who has got its pid since; one that may not be killed stays."""
    with suppress(OSError):
        handle = os.pidfd_open(process.pid)
        try:
            now = look_at(process.pid)
            if now is not None and now.started == process.started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def end_descendants(within_s: float) -> bool:
    """Kills and reaps all below this process, which must adopt and have SIGCHLD blocked.

    Again and again, parents first, until no child is left: what forks faster than the process
    table is read has lost its parent by the next round and is then a child of this process.

    Args:
        within_s: Seconds after which it gives up: what is left then belongs to another user or
            hangs in the kernel.

    Returns:
        Whether nothing is left.
    """
    deadline = time.monotonic() + within_s
    reap()
    while has_child():
        if time.monotonic() >= deadline:
            return False
        for process in descendants(os.getpid()):
            kill(process)
        signal.sigtimedwait({signal.SIGCHLD}, 0.02)
        reap()
    return True


def _prctl(option: int, argument: int) -> None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "prctl"):
        raise OSError("this system has no prctl")
    library.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if library.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
