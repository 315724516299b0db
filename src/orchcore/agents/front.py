"""The process that the shell started, once ``keeper.guard`` has split it.

It stays where the shell's pid points: hands signals down to the orchestrator, stops and goes on
with it under ^Z and ``fg``, and has the wait status that the shell is to see. The same rules as
in ``keeper``: the standard library only, no threads, no event loop.
"""

import os
import signal
import time
from contextlib import suppress

from orchcore.agents import orphans

_PASSED_ON = {
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
_HEARD = _PASSED_ON | {signal.SIGCHLD}
_STOP_S = 2.0


def stand_in_front(keeper: int, orchestrator: int) -> int:
    """Front's life until *keeper* and *orchestrator*, both pids, are gone.

    To be called with all signals blocked since before the two were forked.

    Returns:
        The orchestrator's wait status; the keeper's if it was killed and took that along.
    """
    orphans.adopt()
    handle = _handle_of(orchestrator)
    # What is pending by now may be older than the orchestrator, which then did not get it.
    while early := signal.sigtimedwait(_HEARD, 0):
        _act_on(early, orchestrator, handle, always=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, _HEARD)
    ended = orphans.reap()
    # A keeper that is killed leaves the orchestrator to front; one that is done has reaped it.
    while orchestrator not in ended and (keeper not in ended or orphans.has_child(orchestrator)):
        _act_on(signal.sigwaitinfo(_HEARD), orchestrator, handle)
        ended |= orphans.reap()
    return ended[orchestrator] if orchestrator in ended else ended[keeper]


def _handle_of(orchestrator: int) -> int | None:
    """Reaches the orchestrator and nobody who gets its pid later; None if it has ended."""
    try:
        return os.pidfd_open(orchestrator)
    except ProcessLookupError:
        return None


def _act_on(
    sent: signal.struct_siginfo, orchestrator: int, handle: int | None, *, always: bool = False
) -> None:
    """Passes on what the orchestrator has not got by itself, or all *always*; stops at ^Z."""
    number = signal.Signals(sent.si_signo)
    if number in _PASSED_ON and (always or not _reaches_the_whole_group(sent)):
        _send(handle, number)
    if number is signal.SIGTSTP:
        _wait_for_stop(orchestrator)
        if orphans.is_under_job_control():
            _stop()
        else:  # ^Z in a container or in ``ssh -t``: no shell would ever continue it
            _send(handle, signal.SIGCONT)


def _reaches_the_whole_group(sent: signal.struct_siginfo) -> bool:
    """Whether the kernel sent it (``si_code`` above 0, sigaction(2)), as the terminal's ^C.

    Only the hang-up of a terminal goes to the session's leader alone.
    """
    is_our_hang_up = sent.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid()
    return sent.si_code > 0 and not is_our_hang_up


def _send(handle: int | None, number: signal.Signals) -> None:
    if handle is not None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)


def _wait_for_stop(orchestrator: int) -> None:
    """Waits until the orchestrator has stopped or ended, 2 s at most.

    The shell takes front's stop as the whole job's: a quick ``fg`` would otherwise continue an
    orchestrator that is only about to stop, and then wait for it for ever.
    """
    deadline = time.monotonic() + _STOP_S
    while time.monotonic() < deadline:
        process = orphans.look_at(orchestrator)
        if process is None or process.state in "TtZX":
            return
        time.sleep(0.01)


def _stop() -> None:
    """Does what SIGTSTP does by default, or nothing if it was inherited as ignored."""
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
