"""The ancestor that outlives the orchestrator, so that no agent does.

``guard()`` turns one process into three, each the parent of the next::

    front         what the shell started; passes signals down and the exit status up (``front``)
    keeper        own session and name; ends every process below it when the orchestrator is gone
    orchestrator  front's process group; the only one in which ``guard()`` returns

Orphans fall to the keeper (see ``orphans``), or to front if somebody kills the keeper. Killed
with SIGKILL, one each:

* the orchestrator: the keeper ends all that is below, and front dies of SIGKILL as well;
* front, or front and orchestrator at once (the foreground group, the session, all that are called
  orchcore or python): the keeper sends SIGTERM to the orchestrator if it is still there, SIGKILL
  after its patience, and ends all that is below;
* the keeper: the kernel sends SIGTERM to the orchestrator, front waits and ends what is left.

Keeper and front at once leave an orchestrator that ends in order, and nobody above it; all three
at once, by their numbers, leave the agents.

Rules of this file: the standard library only; no threads, no event loop; front and keeper leave
through ``os._exit`` and never run a line of their caller. Linux 5.3 or newer; elsewhere
``guard()`` does nothing.
"""

import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Never

from orchcore.agents import orphans
from orchcore.agents.front import stand_in_front

NAME = "agents-keeper"
"""Neither ``pkill orchcore`` nor ``pkill -f python`` means it."""
_SWEEP_S = 10.0
_A_LONG_TIME_S = 3600.0
_BROKEN = 70  # EX_SOFTWARE of sysexits.h: front or keeper had a bug
_UNREPORTED = 3
_reported = mmap.mmap(-1, 1)
"""A byte that the three share: the exit code that the orchestrator reported, plus one."""


def guard(patience_s: float = 35.0) -> bool:
    """Puts a keeper above the rest of this program.

    To be called once, in the main thread, before there are other threads or an event loop. The
    orchestrator keeps its caller's files, process group, signal handlers and mask; signals that
    arrive meanwhile reach it. If it succeeds it must ``report`` so: an exit code 0 that nobody
    reported is shown as 3. SIGTERM tells it that the keeper has died. A signal that a program
    (not the terminal) sends to the whole process group reaches it twice: itself and by front.

    Args:
        patience_s: Seconds from SIGTERM to SIGKILL if front is killed; at least what the
            orchestrator's orderly end (30 s) may take.

    Returns:
        True in the orchestrator, below a keeper. False in the one process there still is, if
        this system has no child subreapers or no process to spare, or if threads are running.

    Example:
        >>> from orchcore.agents.keeper import guard
        >>> def main() -> None:
        ...     guarded = guard()  # from here on in the orchestrator
    """
    if not _is_able():
        return False
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return _split(patience_s)
    except OSError:
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def report(code: int) -> None:
    """The orchestrator says that it is done: front then ends with *code* in place of a 0.

    A 0 without a report is no success (``os._exit(0)`` in somebody's code): front ends with 3.
    """
    _reported[0] = code + 1


def judged(status: int, reported: int) -> int:
    """The wait status that the shell is to see.

    Args:
        status: The orchestrator's.
        reported: 0 if it reported nothing, else the reported exit code plus one.
    """
    if status != 0:
        return status
    return (reported - 1 if reported else _UNREPORTED) << 8


def _is_able() -> bool:
    """Whether this process may be split: Linux with prctl and pidfds, and a single thread."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        orphans.is_subreaper()
        os.close(os.pidfd_open(os.getpid()))
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except (ImportError, OSError):
        return False


def _split(patience_s: float) -> bool:
    """Forks the keeper and through it the orchestrator; returns as ``guard`` does.

    Raises:
        OSError: No process or pipe to spare; this process is still the only one.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored, no child has a status
    front = os.getpid()
    told, tell = os.pipe()
    with os.fdopen(told, "rb", 0) as hears, os.fdopen(tell, "wb", 0) as tells:
        keeper = os.fork()
        if keeper == 0:
            return _fork_orchestrator(front, patience_s, tells.write)
        tells.close()
        orchestrator = int.from_bytes(hears.read(8))
    if orchestrator == 0:
        os.waitpid(keeper, 0)
        return False
    return _do_and_exit(lambda: judged(stand_in_front(keeper, orchestrator), _reported[0]))


def _fork_orchestrator(front: int, patience_s: float, tell: Callable[[bytes], object]) -> bool:
    """Makes the new child the keeper; returns True in the orchestrator, in the keeper never.

    The orchestrator itself tells front that it is there, before anything can go wrong: otherwise
    front might go on alone beside it.
    """
    keeper = os.getpid()
    try:
        orphans.adopt()
        orphans.end_with(front, signal.SIGTERM)  # blocked: it only wakes the keeper up
        orchestrator = os.fork()
    except OSError:
        os._exit(_BROKEN)  # front finds the pipe empty and goes on alone
    if orchestrator == 0:
        tell(os.getpid().to_bytes(8))
        orphans.end_with(keeper, signal.SIGTERM)
        return True
    return _do_and_exit(lambda: _keep(front, orchestrator, patience_s))


def _keep(front: int, orchestrator: int, patience_s: float) -> int:
    """The keeper's life until the orchestrator ends; gives the orchestrator's wait status.

    Every signal is blocked and only wakes it up to look around. Its own session and name keep it
    out of the way of a SIGKILL for a process group, a session, or all that bear a name.
    """
    os.setsid()
    with suppress(OSError):
        orphans.take_name(NAME)
    deadline: float | None = None
    while (status := orphans.reap().get(orchestrator)) is None:
        now = time.monotonic()
        if deadline is None and os.getppid() != front:
            os.kill(orchestrator, signal.SIGTERM)
            os.kill(orchestrator, signal.SIGCONT)  # it may have been stopped with ^Z
            deadline = now + patience_s
        if deadline is not None and now >= deadline:
            os.kill(orchestrator, signal.SIGKILL)
        pause_s = _A_LONG_TIME_S if deadline is None else max(deadline - now, 0.1)
        signal.sigtimedwait(signal.valid_signals(), pause_s)
    return status


def _do_and_exit(life: Callable[[], int]) -> Never:
    """Ends what *life* left below this process, then this process, with the status it gave.

    No SIGTERM to what is left: whoever could have taken its work is gone.
    """
    try:
        _let_go_of_files()
        status = life()
        orphans.end_descendants(_SWEEP_S)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            orphans.die_of(-code)
        os._exit(code if code >= 0 else 128 - code)
    finally:
        os._exit(_BROKEN)  # what was raised must not reach the caller: it runs elsewhere


def _let_go_of_files() -> None:
    """Closes every inherited file, so that a reader of our output sees the orchestrator's end."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
    numbers = list(range(1024))
    with suppress(PermissionError):  # of a program that its user may run but not read
        numbers = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    for number in set(numbers) - {0, 1, 2}:
        with suppress(OSError):
            os.close(number)
