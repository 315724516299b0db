"""What signals do to a run that goes on.

The first SIGINT, SIGTERM or SIGHUP ends it in order, the second in a hurry; asyncio hears them
between two steps of the loop, so they may touch the run. The third does not ask the loop, which
user code may block: this process is gone at once, and the keeper ends what is below it. ^Z stops
the agents and then us; what wakes us up wakes them up.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal, Protocol

from orchcore.cli.outcomes import INTERRUPTED
from orchcore.execution.control import Control

_ONE_PRESS_S = 0.25
"""A ^C reaches us from the terminal and, below a keeper, maybe once more from a parent."""


class Screen(Protocol):
    """A display, as far as it must leave the terminal alone for a while."""

    def pause(self) -> None:
        """Writes nothing from now on."""
        ...

    def resume(self) -> None:
        """Goes on."""
        ...


@dataclass(slots=True)
class Presses:
    """Counts requests to end: pure, it is told the time."""

    _counted: int = 0
    _last_at: float = float("-inf")

    def heard(self, now: float) -> Literal["stop", "hurry", "give up"] | None:
        """What a signal at *now* (monotonic seconds) asks for; ``None``: nothing new.

        Two signals within 0.25 s are one.
        """
        if now - self._last_at < _ONE_PRESS_S:
            return None
        self._last_at = now
        self._counted += 1
        if self._counted > 2:
            return "give up"
        return "stop" if self._counted == 1 else "hurry"


@contextmanager
def heeding_signals(control: Control, screen: Screen) -> Generator[None]:
    """Lets signals act on *control*'s run; to be entered in the running loop's main thread.

    SIGHUP and SIGTSTP keep being ignored if we were started so (``nohup``, no job control).
    """
    loop = asyncio.get_running_loop()
    handlers = dict(_handlers(loop, control, screen))
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    _leave_a_way_out(set(handlers) - {signal.SIGTSTP})
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _handlers(
    loop: asyncio.AbstractEventLoop, control: Control, screen: Screen
) -> Iterator[tuple[signal.Signals, Callable[[], None]]]:
    presses = Presses()

    def end(name: str) -> None:
        match presses.heard(time.monotonic()):
            case "stop":
                control.stop(name)
            case "hurry":
                control.hurry()
            case _:
                pass

    yield signal.SIGINT, lambda: end("SIGINT")
    yield signal.SIGTERM, lambda: end("SIGTERM")
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP, lambda: end("SIGHUP")
    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
        yield signal.SIGTSTP, lambda: _stop_ourselves(loop, control, screen)


def _leave_a_way_out(numbers: set[signal.Signals]) -> None:
    """Ends this process at the third of *numbers*, also while the loop is blocked."""
    presses = Presses()

    def count(_number: int, _frame: FrameType | None) -> None:
        if presses.heard(time.monotonic()) == "give up":
            shows_the_cursor = b"\x1b[?25h" if os.isatty(2) else b""
            os.write(2, shows_the_cursor + b"\ngiven up: the run was not ended in order\n")
            os._exit(INTERRUPTED)

    for number in numbers:
        signal.signal(number, count)  # in the place of asyncio's handler, which does nothing
        signal.siginterrupt(number, False)  # as asyncio has it


def _stop_ourselves(loop: asyncio.AbstractEventLoop, control: Control, screen: Screen) -> None:
    """Stops the agents, then this process as ^Z does by default; returns when it is continued.

    There is no handler of SIGCONT: where a stop is not possible (an orphaned process group) the
    kernel drops it, no SIGCONT follows, and the agents must go on all the same.
    """
    screen.pause()
    control.suspend()
    try:
        loop.remove_signal_handler(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        # To this thread, not to the process: it then stops before the call returns.
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, lambda: _stop_ourselves(loop, control, screen))
    finally:
        control.resume()
        screen.resume()
