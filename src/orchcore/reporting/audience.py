"""Those who watch a run, kept where they cannot harm it.

Every observer has a thread and a mailbox of its own. Publishing appends to a ``deque`` (atomic in
CPython, no lock) and wakes a sleeping thread; a woken thread first waits a moment, so that
many events cost one wake-up. The mailbox is bounded by weight: a slow observer first misses what
agents say and bodies print, then is dropped. One that raises is dropped too, and one that hangs is
left behind.
"""

import time
import traceback
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from threading import Event as Flag
from threading import Thread
from typing import Protocol, Self

from orchcore.events import AgentSaid, Event, Printed, TextWritten, ThinkingWritten, Warned

_LOOK_S = 0.005
_EVENT_BYTES = 1000
"""What an event is taken to weigh besides the text in it."""


class Observer(Protocol):
    """Someone who is told what happens. All calls come from one thread of its own."""

    def on_event(self, event: Event) -> None:
        """Takes *event* in. Whatever it raises ends its part, not the run."""
        ...

    def tick(self) -> None:
        """Draws or writes what is due: after each batch of events, and five times a second."""
        ...

    def close(self) -> None:
        """Ends it, after the last event or after it raised; called once."""
        ...


class Audience:
    """Hands every event to every observer.

    Attributes:
        warnings: One line for each observer that was dropped; complete after ``close``.

    Example:
        >>> with Audience([JsonLines(sys.stdout, Quiet(sys.stderr))]) as audience:
        ...     audience.publish(event)
    """

    def __init__(
        self,
        observers: Iterable[Observer],
        *,
        limit_bytes: int = 64 * 2**20,
        batch_s: float = 0.02,
        tick_s: float = 0.2,
    ) -> None:
        """Starts a thread for each of *observers*.

        Args:
            observers: Owned from now on: they are closed by this object.
            limit_bytes: What may wait for one observer before it misses agents' words and bodies'
                prints; at twice as much it is dropped.
            batch_s: How long a woken thread waits for more events.
            tick_s: The longest time between two ticks.
        """
        self.warnings: list[str] = []
        self._seats = [_Seat(observer, limit_bytes, batch_s, tick_s) for observer in observers]
        for seat in self._seats:
            seat.thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, event: Event) -> None:
        """Hands *event* to all, in microseconds; never raises, never waits."""
        for seat in self._seats:
            seat.put(event)

    def settle(self, timeout_s: float = 1.0) -> bool:
        """Waits until all that was published is shown; do so before somebody is asked something.

        Returns:
            Whether that happened within *timeout_s*.
        """
        deadline = time.monotonic() + timeout_s
        return all(seat.settle(deadline) for seat in self._seats)

    def close(self, timeout_s: float = 2.0) -> tuple[str, ...]:
        """Lets the observers finish, *timeout_s* for all together; safe to call again.

        Returns:
            The warnings.
        """
        deadline = time.monotonic() + timeout_s
        for seat in self._seats:
            seat.leave()
        for seat in self._seats:
            seat.thread.join(max(deadline - time.monotonic(), 0.0))
            self.warnings.extend(seat.complaint())
        self._seats.clear()
        return tuple(self.warnings)


class _Seat:
    """One observer, its mailbox and its thread.

    ``put`` runs on the event loop, ``_run`` on the thread. Each side writes its own counter only,
    so that the weight of what waits needs no lock.
    """

    def __init__(self, observer: Observer, limit_bytes: int, batch_s: float, tick_s: float) -> None:
        self.thread = Thread(
            target=self._run, name=f"orchcore-{type(observer).__name__}", daemon=True
        )
        self._observer = observer
        self._limit_bytes, self._batch_s, self._tick_s = limit_bytes, batch_s, tick_s
        self._mail: deque[Event] = deque()
        self._woken, self._leaving = Flag(), Flag()
        self._rounds = 0
        self._put_bytes = self._taken_bytes = 0
        self._missed = self._missed_told = 0
        self._open = True
        self._error: BaseException | None = None
        self._overflowed = False

    def put(self, event: Event) -> None:
        """Leaves *event* in the mailbox, if there is room and somebody who reads it."""
        if not self._open:
            return
        weight = _weight_bytes(event)
        waiting = self._put_bytes - self._taken_bytes
        if waiting > self._limit_bytes and self._refused(event, waiting):
            return
        self._put_bytes += weight
        self._mail.append(event)
        if not self._woken.is_set():
            self._woken.set()

    def settle(self, deadline: float) -> bool:
        """Whether all in the mailbox was drawn before *deadline* (monotonic seconds)."""
        # the round that goes on may be past its drawing: the next one has all that is to be drawn
        drawn = self._rounds + 2
        while self._open and (self._put_bytes != self._taken_bytes or self._rounds < drawn):
            if time.monotonic() >= deadline:
                return False
            self._woken.set()
            time.sleep(_LOOK_S)
        return True

    def leave(self) -> None:
        """Tells the thread to finish what is in the mailbox and end."""
        self._leaving.set()
        self._woken.set()

    def complaint(self) -> Iterable[str]:
        """What went wrong, in one line, if anything did."""
        name = type(self._observer).__name__
        if self._overflowed:
            yield f"{name} could not keep up and was dropped; the run went on"
        elif self.thread.is_alive():
            yield f"{name} hung and was left behind; the run went on"
        elif self._error is not None and not isinstance(self._error, BrokenPipeError):
            # A reader that went away (``| head``) is no fault of anybody's.
            yield f"{name} was dropped: {_told(self._error)}; the run went on"

    def _refused(self, event: Event, waiting: int) -> bool:
        if isinstance(event, AgentSaid | Printed):
            self._missed += 1
            return True
        if waiting > 2 * self._limit_bytes:
            self._overflowed, self._open = True, False
        return not self._open

    def _run(self) -> None:
        try:
            while not self._leaving.is_set():
                if self._woken.wait(self._tick_s):
                    self._leaving.wait(self._batch_s)
                    if not self._leaving.is_set():
                        self._woken.clear()
                self._take_all()
            self._take_all()
        except BaseException as error:  # noqa: BLE001  whatever an observer does, the run goes on
            self._error = error
        finally:
            self._open = False
            self._mail.clear()
            self._close_observer()

    def _take_all(self) -> None:
        while self._mail:
            event = self._mail.popleft()
            self._observer.on_event(event)
            self._taken_bytes += _weight_bytes(event)
        missed = self._missed - self._missed_told
        if missed:
            self._missed_told += missed
            self._observer.on_event(
                Warned(time.time(), f"{missed} messages and prints came too fast to be shown")
            )
        self._observer.tick()
        self._rounds += 1

    def _close_observer(self) -> None:
        if self._error is None:
            try:
                self._observer.close()
            except BaseException as error:  # noqa: BLE001  as above
                self._error = error
            return
        with suppress(BaseException):  # it raised before: only the terminal is put right
            self._observer.close()


def _weight_bytes(event: Event) -> int:
    if type(event) is Printed:
        return _EVENT_BYTES + len(event.text)
    if type(event) is not AgentSaid:
        return _EVENT_BYTES
    said = event.event
    if isinstance(said, TextWritten | ThinkingWritten):
        return _EVENT_BYTES + len(said.text)
    return _EVENT_BYTES


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
