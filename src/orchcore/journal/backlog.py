"""Events on their way from the loop's thread to the writer's."""

import asyncio
from collections import deque
from threading import Condition
from typing import NamedTuple

from orchcore.events import Event

_GROUP_EVENTS = 1024
_GROUP_BYTES = 4 * 2**20


class Entry(NamedTuple):
    """One event handed over.

    Attributes:
        event: What happened.
        body: Its JSON; ``None`` if it is not kept and only its waiter counts.
        waiter: Who wants to know that it is on disk.
    """

    event: Event
    body: bytes | None
    waiter: asyncio.Future[None] | None


class Backlog:
    """An ordered queue that never makes its producer wait.

    The consumer takes all that has gathered at once: while one group is being written, the next
    one grows. Events nobody waits for may rest here for *linger_s*, so that the writer does not
    wake up, and compete with the loop for the interpreter, for each of them.
    """

    def __init__(self, linger_s: float = 0.005) -> None:
        """An empty queue."""
        self._linger_s = linger_s
        self._changed = Condition()
        self._entries = deque[Entry]()
        self._idle = False
        self._urgent = False
        self._closed = False
        self.waiting_bytes = 0
        """Size of all that was put in and not yet reported as ``finished``."""

    @property
    def closed(self) -> bool:
        """Whether nothing more comes in."""
        return self._closed

    def put(self, entry: Entry) -> None:
        """Hands *entry* over. Takes microseconds, whatever the writer does.

        Raises:
            RuntimeError: The queue is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError(f"{entry.event.kind} came after the journal was closed")
            self._entries.append(entry)
            self.waiting_bytes += len(entry.body or b"")
            if entry.waiter is not None and not self._urgent:
                self._urgent = True
                self._changed.notify()
            elif self._idle:
                self._changed.notify()
            self._idle = False

    def close(self) -> None:
        """Lets the consumer end, once it has taken everything."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self, timeout_s: float | None = None) -> list[Entry]:
        """The next group, in order; waits for one.

        Args:
            timeout_s: After this long an empty group is given; ``None`` waits for ever.

        Returns:
            At most 1,024 entries or about 4 MiB; empty as well when all is taken and closed.
        """
        with self._changed:
            self._idle = not self._entries
            self._changed.wait_for(lambda: self._entries or self._closed, timeout_s)
            self._idle = False
            if self._entries:
                self._changed.wait_for(lambda: self._urgent or self._closed, self._linger_s)
            return self._next_group()

    def finished(self, size_bytes: int) -> None:
        """Tells that so much of what was taken is kept here no longer."""
        with self._changed:
            self.waiting_bytes -= size_bytes

    def _next_group(self) -> list[Entry]:
        group = list[Entry]()
        size = 0
        while self._entries and len(group) < _GROUP_EVENTS and size < _GROUP_BYTES:
            entry = self._entries.popleft()
            size += len(entry.body or b"")
            group.append(entry)
        # What is left belongs to a burst: the writer comes back for it without lingering.
        self._urgent = bool(self._entries)
        return group
