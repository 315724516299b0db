"""What is done about a run that does not end although it was told to.

The loop cannot act on a signal while a body blocks it in Python code (``time.sleep``,
``subprocess.run``, a download). So a thread of its own looks at the time:

1. If the loop has not taken a signal within half a second, the thread nudges the main thread, with
   a signal that means nothing to anybody else. A task that is found at work by two nudges in a row
   blocks the loop: ``Interrupted`` is raised in it. Nothing else is ever interrupted.
2. When the patience with a run is over, the process ends as it is. What hangs may be a body that
   catches everything, C code that heeds no signal, or a tear-down.
"""

import asyncio
import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType

from orchcore.execution.control import Interrupted

PATIENCE_S = 30.0
_NUDGE_S = 0.5
_NUDGE = signal.SIGURG  # does nothing by default, and nobody sends it unasked


class Overtime:
    """The watch over one run's end; to be made in its loop's main thread, and closed there.

    Args:
        loop: The run's loop.
        give_up: Ends the process; called in another thread, or in the main thread's handler.
        patience_s: Seconds from the first signal until then.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        give_up: Callable[[], object],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._loop = loop
        self._give_up = give_up
        self._patience_s = patience_s
        self._heard = 0
        self._taken = 0
        self._suspect: asyncio.Task[object] | None = None
        self._hears, self._tells = os.pipe()
        self._before = signal.signal(_NUDGE, self._nudged)
        self._main = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="orchcore-overtime", daemon=True)
        self._thread.start()

    def heard(self) -> None:
        """A signal that the loop is to act on has come; to be called by its handler.

        No lock is taken: the handler may have interrupted whoever holds it.
        """
        self._heard += 1
        os.write(self._tells, b"!")

    def taken(self) -> None:
        """The loop has acted on all signals."""
        self._taken = self._heard
        self._suspect = None

    def close(self) -> None:
        """The run is over."""
        os.close(self._tells)
        self._thread.join()
        os.close(self._hears)
        signal.signal(_NUDGE, self._before or signal.SIG_DFL)

    def _watch(self) -> None:
        if not os.read(self._hears, 1):
            return
        waited_s = 0.0  # counted, not measured: time in which we are stopped is nobody's fault
        while waited_s < self._patience_s:
            if select.select([self._hears], [], [], _NUDGE_S)[0]:
                if not os.read(self._hears, 64):
                    return
                continue
            waited_s += _NUDGE_S
            if self._heard != self._taken:
                signal.pthread_kill(self._main, _NUDGE)
        self._give_up()

    def _nudged(self, _number: int, _frame: FrameType | None) -> None:
        """Runs in the main thread, between two steps of whatever is at work there."""
        at_work = None if self._heard == self._taken else asyncio.current_task(self._loop)
        found_again = at_work is not None and at_work is self._suspect
        self._suspect = at_work
        if found_again:
            raise Interrupted("the run is to end, and this blocks it")
