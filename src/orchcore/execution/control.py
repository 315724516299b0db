"""Ending a run early, from outside or from within."""

import asyncio
from collections.abc import Callable


class Interrupted(asyncio.CancelledError):
    """Raised where a body blocks the event loop although the run is to end."""


class Control:
    """A handle on a run that goes on.

    Signals, ``-x`` and failures of the record use it; a run binds itself to it when it starts.

    Attributes:
        stopped: Why the run is to end; ``None`` while it is not.
        interrupted: Whether it counts as interrupted (exit 2).
        internal: Whether an error of ours ended it (exit 3).
        disturbed: Whether it cannot pass any more (exit 1).
        given_up: Whether the program is to be left as it is.
    """

    def __init__(self) -> None:
        self.stopped: str | None = None
        self.interrupted = False
        self.internal = False
        self.disturbed = False
        self.given_up = False
        self._on_stop: Callable[[str], None] | None = None
        self._on_hurry: Callable[[], None] | None = None
        self._on_suspend: Callable[[bool], None] | None = None
        self._on_disturb: Callable[[str], None] | None = None

    def bind(
        self,
        on_stop: Callable[[str], None],
        on_hurry: Callable[[], None],
        on_suspend: Callable[[bool], None],
        on_disturb: Callable[[str], None],
    ) -> None:
        """Says what to call; a stop that came before is delivered now."""
        self._on_stop, self._on_hurry, self._on_suspend = on_stop, on_hurry, on_suspend
        self._on_disturb = on_disturb
        if self.stopped is not None:
            on_stop(self.stopped)

    def release(self) -> None:
        """The run is over: there is nothing to end any more."""
        self._on_stop = self._on_hurry = self._on_suspend = self._on_disturb = None

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

    def disturb(self, text: str) -> None:
        """Code of the orchfile did what no node answers for: the run goes on and cannot pass.

        Args:
            text: What it did, for people.
        """
        self.disturbed = True
        if self._on_disturb is not None:
            self._on_disturb(text)

    def suspend(self) -> None:
        """Stops every agent's processes (SIGSTOP)."""
        if self._on_suspend is not None:
            self._on_suspend(True)

    def resume(self) -> None:
        """Lets them go on (SIGCONT)."""
        if self._on_suspend is not None:
            self._on_suspend(False)
