"""The ancestor that outlives the orchestrator, so that no agent does.

``guard()`` turns one process into three, each the parent of the next::

    front         what the shell started; passes signals down and the exit status up
    keeper        own process group; ends every process below it when the orchestrator is gone
    orchestrator  front's process group; the only one in which ``guard()`` returns

Orphans fall to the keeper (see ``orphans``), or to front if somebody kills the keeper. Killed
with SIGKILL, one each:

* the orchestrator: the keeper ends all that is below, and front dies of SIGKILL as well;
* front, or the terminal's whole foreground group: the keeper sends SIGTERM to the orchestrator
  if it is still there, SIGKILL after its patience, and ends all that is below;
* the keeper: the kernel sends SIGTERM to the orchestrator, front waits and ends what is left.

Keeper and front at once leave an orchestrator that ends in order, and nobody above it.

Rules of this file: the standard library only; no threads, no event loop; front and keeper leave
through ``os._exit`` and never run a line of their caller. Linux 5.3 or newer; elsewhere
``guard()`` does nothing.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Never

from orchcore.agents import orphans

_HEARD_IN_FRONT = {
    signal.SIGCHLD,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
}
_SWEEP_S = 10.0
_STOP_S = 2.0
_A_LONG_TIME_S = 3600.0
_BROKEN = 70  # EX_SOFTWARE of sysexits.h: front or keeper had a bug


def guard(patience_s: float = 30.0) -> bool:
    """Puts a keeper above the rest of this program.

    To be called once, in the main thread, before there are other threads or an event loop. The
    orchestrator keeps its caller's files, process group, signal handlers and mask; signals that
    arrive meanwhile reach it. SIGTERM tells it that the keeper has died. A signal that a program
    (not the terminal) sends to the whole process group reaches it twice: itself and by front.

    Args:
        patience_s: Seconds from SIGTERM to SIGKILL if front is killed; at least what the
            orchestrator's orderly end may take.

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
    return _do_and_exit(lambda: _stand_in_front(keeper, orchestrator))


def _fork_orchestrator(front: int, patience_s: float, tell: Callable[[bytes], object]) -> bool:
    """Makes the new child the keeper; returns True in the orchestrator, in the keeper never."""
    keeper = os.getpid()
    try:
        orphans.adopt()
        orphans.end_with(front, signal.SIGTERM)  # blocked: it only wakes the keeper up
        orchestrator = os.fork()
    except OSError:
        os._exit(_BROKEN)  # front finds the pipe empty and goes on alone
    if orchestrator == 0:
        orphans.end_with(keeper, signal.SIGTERM)
        return True
    return _do_and_exit(lambda: _keep(front, orchestrator, patience_s, tell))


def _keep(front: int, orchestrator: int, patience_s: float, tell: Callable[[bytes], object]) -> int:
    """The keeper's life until the orchestrator ends; gives the orchestrator's wait status.

    Every signal is blocked and only wakes it up to look around. Its own process group keeps it
    out of the way of a SIGKILL for the terminal's foreground group.
    """
    os.setpgid(0, 0)
    Path("/proc/self/comm").write_text("orchcore-keeper")
    tell(orchestrator.to_bytes(8))
    _let_go_of_files()
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


def _stand_in_front(keeper: int, orchestrator: int) -> int:
    """Front's life until both are gone; gives the wait status that the shell is to see."""
    orphans.adopt()
    _let_go_of_files()
    handle = _handle_of(orchestrator)
    # What is pending by now may be older than the orchestrator, which then did not get it.
    while early := signal.sigtimedwait(_HEARD_IN_FRONT, 0):
        _pass_on(early, orchestrator, handle, whoever_sent=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, _HEARD_IN_FRONT)
    ended = orphans.reap()
    # A keeper that is killed leaves the orchestrator to front; one that is done has reaped it.
    while orchestrator not in ended and (keeper not in ended or orphans.has_child(orchestrator)):
        _pass_on(signal.sigwaitinfo(_HEARD_IN_FRONT), orchestrator, handle)
        ended |= orphans.reap()
    return ended[orchestrator] if orchestrator in ended else ended[keeper]


def _handle_of(orchestrator: int) -> int | None:
    """Reaches the orchestrator and nobody who gets its pid later; None if it has ended."""
    try:
        return os.pidfd_open(orchestrator)
    except ProcessLookupError:
        return None


def _pass_on(
    sent: signal.struct_siginfo,
    orchestrator: int,
    handle: int | None,
    *,
    whoever_sent: bool = False,
) -> None:
    """Hands a signal to the orchestrator, unless the terminal has given it to both.

    The kernel's own signals (``si_code`` above 0, sigaction(2)) go to the whole group; only the
    hang-up of a terminal goes to the session's leader alone.
    """
    number = signal.Signals(sent.si_signo)
    if number is signal.SIGCHLD:
        return
    is_our_hang_up = number is signal.SIGHUP and os.getsid(0) == os.getpid()
    is_for_us = sent.si_code <= 0 or whoever_sent or is_our_hang_up
    if handle is not None and is_for_us:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
    if number is signal.SIGTSTP:
        _stop_after(orchestrator)


def _stop_after(orchestrator: int) -> None:
    """Stops front as SIGTSTP does by default, once the orchestrator has stopped.

    The shell takes front's stop as the whole job's: a quick ``fg`` would otherwise continue an
    orchestrator that is only about to stop, and then wait for it for ever.
    """
    deadline = time.monotonic() + _STOP_S
    while time.monotonic() < deadline:
        process = orphans.look_at(orchestrator)
        if process is None or process.state in "TtZX":
            break
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})


def _do_and_exit(life: Callable[[], int]) -> Never:
    """Ends what *life* left below this process, then this process, with the status it gave.

    No SIGTERM to what is left: whoever could have taken its work is gone.
    """
    try:
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
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) > 2:
            with suppress(OSError):
                os.close(int(entry.name))
