"""Signals that end a run inside somebody else's program (``run_sync``)."""

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType

from orchcore.execution.control import Control


@contextmanager
def interruptible(control: Control, heard: list[int]) -> Generator[None]:
    """Lets SIGINT and SIGTERM end *control*'s run: the second in a hurry, the third at once.

    Only in the main thread, and only signals that were not ignored before; elsewhere it does
    nothing. To be entered in the running loop.

    Args:
        control: The run's.
        heard: Is given the signals' numbers, in order; the caller owes them to whoever handled
            them before.
    """
    loop, context = asyncio.get_running_loop(), copy_context()

    def handle(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        match len(heard):
            case 1:
                name = signal.Signals(number).name
                loop.call_soon_threadsafe(control.stop, name, context=context)
            case 2:
                loop.call_soon_threadsafe(control.hurry, context=context)
            case _:
                control.given_up = True
                loop.call_soon_threadsafe(loop.stop)  # also if somebody swallows what is raised
                signal.default_int_handler(number, frame)

    is_main = threading.current_thread() is threading.main_thread()
    numbers = [signal.SIGINT, signal.SIGTERM] if is_main else []
    heeded = [one for one in numbers if signal.getsignal(one) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
