"""Leaving this process without ado: before a run has begun, and after it is over.

``KeyboardInterrupt`` is no good there. CPython 3.12 loses it in the callbacks of an import, shows
a traceback where nobody catches it yet, and dies of SIGINT although it was caught if it was raised
in code that ``exec`` runs, as ``dataclasses`` do.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

_LOOK_S = 0.05


def leave_when_interrupted(code: int, words: str = "interrupted") -> None:
    r"""From now on SIGINT, SIGTERM and SIGHUP end this process at once; no ``finally`` runs.

    For as long as nothing of ours has to be ended or written. To be called in the main thread.

    Args:
        code: The exit code.
        words: What is said on stderr; nothing if empty.
    """
    told = f"\n{words}\n".encode() if words else b""

    def leave(_number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            os.write(2, told)
        os._exit(code)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


def leave_soon(code: int, patience_s: float) -> None:
    """The run is over: whatever still hangs in this process delays its end by *patience_s* only.

    That are threads in which bodies left something running (``asyncio.to_thread``), for which
    the event loop and the interpreter wait, and tasks that swallow every cancellation. Signals
    end the process at once. To be called in the loop's main thread.

    Args:
        code: The exit code.
        patience_s: Seconds.
    """
    leave_when_interrupted(code, "")
    told = (asyncio.get_running_loop(), code, patience_s)
    threading.Thread(target=_leave_late, args=told, name="orchcore-leaving", daemon=True).start()


def _leave_late(loop: asyncio.AbstractEventLoop, code: int, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        if loop.is_closed() and not _has_threads():
            return
    with suppress(OSError, ValueError):
        sys.stderr.write("left behind: a thread or a task of the orchfile that does not end\n")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _has_threads() -> bool:
    """Whether there are threads that the interpreter would wait for."""
    us = threading.main_thread()
    return any(not one.daemon and one is not us for one in threading.enumerate())
