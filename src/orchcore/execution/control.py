"""Ending a run early, from outside or from within."""

import asyncio
from collections.abc import Callable


class Interrupted(asyncio.CancelledError):
    """Raised where a body blocks the event loop although the run is to end."""


class Control:
    """A handle on a run that goes on.

    Signals, ``-x`` and failures of the record use it; a run binds itself to it when it starts.
    """

    def __init__(self) -> None:
        self.stopped: str | None = None
        self.interrupted = False
        self.internal = False
        self._on_stop: Callable[[str], None] | None = None
        self._on_hurry: Callable[[], None] | None = None
        self._on_suspend: Callable[[bool], None] | None = None

    def bind(
        self,
        on_stop: Callable[[str], None],
        on_hurry: Callable[[], None],
        on_suspend: Callable[[bool], None],
    ) -> None:
        """Says what to call; a stop that came before is delivered now."""
        self._on_stop, self._on_hurry, self._on_suspend = on_stop, on_hurry, on_suspend
        if self.stopped is not None:
            on_stop(self.stopped)

    def release(self) -> None:
        """The run is over: there is nothing to end any more."""
        self._on_stop = self._on_hurry = self._on_suspend = None

    def stop(self, reason: str, *, interrupted: bool = True) -> None:
        """Nothing new starts, what runs is ended in order.

        A later call changes nothing, but that an interruption counts as one also then.

        Args:
            reason: For people: ``SIGINT``, ``-x``.
            interrupted: Whether the run counts as interrupted (exit 2).
        """
        self.interrupted |= interrupted
        if self.stopped is not None:
            return
        self.stopped = reason
        if self._on_stop is not None:
            self._on_stop(reason)

    def hurry(self) -> None:
        """What is being ended is killed."""
        if self._on_hurry is not None:
            self._on_hurry()

    def suspend(self) -> None:
        """Stops every agent's processes (SIGSTOP)."""
        if self._on_suspend is not None:
            self._on_suspend(True)

    def resume(self) -> None:
        """Lets them go on (SIGCONT)."""
        if self._on_suspend is not None:
            self._on_suspend(False)
