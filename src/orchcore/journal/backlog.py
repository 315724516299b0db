"""Events on their way from the loop's thread to the writer's."""

import asyncio
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
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
    """An ordered queue that never makes its producer wait: neither side takes a lock.

    The consumer takes all that has gathered at once: while one group is being written, the next
    one grows. Events nobody waits for rest here for *linger_s*, so that the writer does not wake
    up, and compete with the loop for the interpreter, for each of them.

    ``put`` is for one thread, that of the running loop; ``take`` and ``finished`` for another.
    """

    def __init__(self, linger_s: float = 0.005) -> None:
        """An empty queue."""
        self._linger_s = linger_s
        self._entries = deque[Entry]()
        self._calls = SimpleQueue[None]()
        self._called = False
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
        elif not self._called:
            self._called = True
            asyncio.get_running_loop().call_later(self._linger_s, self._call)

    def close(self) -> None:
        """Lets the consumer end, once it has taken everything."""
        self.closed = True
        self._calls.put(None)

    def take(self, timeout_s: float | None = None) -> list[Entry]:
        """The next group, in order; waits until one is called for.

        Args:
            timeout_s: After this long what is there is given; ``None`` waits for ever.

        Returns:
            At most 1,024 entries or about 4 MiB; now and then none, and none when all is taken
            and closed.
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

    def _call(self) -> None:
        self._called = False
        self._calls.put(None)
