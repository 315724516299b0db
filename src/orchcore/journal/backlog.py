"""Events on their way from the loop's thread to the writer's."""

import asyncio
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

from orchcore.events import Event

LINGER_S = 0.05
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
    """An ordered queue that never makes its producer wait: neither side takes a lock.

    The consumer takes all that has gathered at once: while one group is being written, the next
    one grows. It looks for events that nobody waits for every ``LINGER_S``, so that it does not
    wake up, and compete with the loop for the interpreter, for each of them.

    ``put`` and ``close`` are for one thread; ``take`` and ``finished`` for another.
    """

    def __init__(self) -> None:
        """An empty queue."""
        self._entries = deque[Entry]()
        self._calls = SimpleQueue[None]()
        self._more = False
        self._put_bytes = 0
        self._finished_bytes = 0
        self.closed = False
        """Whether nothing more comes in."""

    @property
    def waiting_bytes(self) -> int:
        """Size of all that was put in and not yet reported as ``finished``."""
        return self._put_bytes - self._finished_bytes

    def put(self, entry: Entry) -> None:
        """Hands *entry* over. Takes microseconds, whatever the writer does.

        Raises:
            RuntimeError: The queue is closed.
        """
        if self.closed:
            raise RuntimeError(f"{entry.event.kind} came after the journal was closed")
        self._entries.append(entry)
        self._put_bytes += len(entry.body or b"")
        if entry.waiter is not None:
            self._calls.put(None)

    def close(self) -> None:
        """Lets the consumer end, once it has taken everything."""
        self.closed = True
        self._calls.put(None)

    def take(self, timeout_s: float = LINGER_S) -> list[Entry]:
        """The next group, in order, once somebody waits for it; after *timeout_s* what is there.

        Returns:
            At most 1,024 entries or about 4 MiB; often none, and none when all is taken and
            closed.
        """
        if not self._more and not self.closed:
            with suppress(Empty):
                self._calls.get(timeout=timeout_s)
        group = list[Entry]()
        size = 0
        while self._entries and len(group) < _GROUP_EVENTS and size < _GROUP_BYTES:
            entry = self._entries.popleft()
            size += len(entry.body or b"")
            group.append(entry)
        # what is left belongs to a burst: the writer comes back for it without being called
        self._more = len(group) == _GROUP_EVENTS or size >= _GROUP_BYTES
        return group

    def finished(self, size_bytes: int) -> None:
        """Tells that so much of what was taken is kept here no longer."""
        self._finished_bytes += size_bytes
