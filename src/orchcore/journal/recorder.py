"""Records a run: what execution awaits before it builds on a result.

``note`` is for what may be lost with the last milliseconds before a crash of the machine,
``commit`` for what something else is built on. Both keep the order of the calls.
"""

import asyncio
from typing import Self

from orchcore.errors import Problem, RecordingError
from orchcore.events import Event, Warned
from orchcore.journal.backlog import Backlog, Entry
from orchcore.journal.database import JournalDatabase
from orchcore.journal.origin import Origin
from orchcore.journal.rows import is_droppable, is_recorded, storable
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.writer import JournalWriter

_DROP_ABOVE_BYTES = 16 * 2**20
_LOSE_ABOVE_BYTES = 512 * 2**20


class JournalRecorder:
    """The journal of one run, open for writing; made by ``open``.

    One thread writes in groups. After a commit's group has been written, an end of this process
    by any signal loses nothing of it; groups with a finished turn, an approval or the run's end
    also wait for the disk and survive a power failure.

    All methods are for the thread of the event loop that first used it.

    Example:
        >>> async def record(folder: RunFolder, event: Event) -> None:
        ...     recorder = JournalRecorder.open(folder, Origin.here("orchfile.py"))
        ...     try:
        ...         await recorder.commit(event)
        ...     finally:
        ...         await recorder.close()
    """

    def __init__(self, database: JournalDatabase, patience_s: float) -> None:
        """Takes over *database*; ``open`` is the way to make one."""
        self._backlog = Backlog()
        self._writer = JournalWriter(database, self._backlog, patience_s)
        self._left_out = 0
        self._lost = 0

    @classmethod
    def open(cls, folder: RunFolder, origin: Origin, *, patience_s: float = 10.0) -> Self:
        """Opens the journal in *folder*, new or to be resumed. Takes a few milliseconds.

        Args:
            folder: The run's; nobody else may be writing it.
            origin: Who writes, recorded first.
            patience_s: How long a full disk or a failing write is borne before ``commit`` says
                so.

        Raises:
            RecordingError: It cannot be opened for writing, another process writes it, or a
                newer orchcore wrote it.
        """
        recorder = cls(JournalDatabase.open(folder, origin), patience_s)
        recorder._writer.start()
        return recorder

    def note(self, event: Event) -> None:
        """Takes *event* in; it is written within milliseconds. Never waits.

        Text and thoughts of agents are not kept (their transcripts have them). While the disk
        cannot keep up and 16 MiB are waiting, an agent's other events are left out, counted in a
        ``Warned`` event; above 512 MiB the rest is lost too, and ``close`` says so.
        """
        self._hand_over(event, None)

    async def commit(self, event: Event) -> None:
        """Returns when *event* and all before it are recorded.

        Cancelled, it stops waiting; the event is recorded all the same.

        Raises:
            RecordingError: It could not be written in time (``disk-full``,
                ``journal-unwritable``, ``journal-vanished``). It is kept in memory and tried
                again until ``close``.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._hand_over(event, waiter)
        await waiter

    async def close(self) -> None:
        """Writes what is left, makes one file of it and lets the run go.

        To be awaited shielded; cancelled, the thread finishes by itself. May be called twice.

        Raises:
            RecordingError: Events could not be written; they are lost now.
        """
        self._backlog.close()
        await asyncio.to_thread(self._writer.join)
        lost = self._writer.unwritten + self._lost
        if lost:
            raise RecordingError(*_lost(lost, self._writer.error))

    def _hand_over(self, event: Event, waiter: asyncio.Future[None] | None) -> None:
        if self._left_out and self._backlog.waiting_bytes <= _DROP_ABOVE_BYTES:
            text = f"the disk was too slow: {self._left_out} events of agents were not recorded"
            self._left_out = 0
            self._hand_over(Warned(at=event.at, text=text), None)
        self._backlog.put(Entry(*self._admitted(event), waiter))

    def _admitted(self, event: Event) -> tuple[Event, bytes | None]:
        if not is_recorded(event):
            return event, None
        if self._backlog.waiting_bytes > _DROP_ABOVE_BYTES and is_droppable(event):
            self._left_out += 1
            return event, None
        if self._backlog.waiting_bytes > _LOSE_ABOVE_BYTES:
            self._lost += 1
            return event, None
        return storable(event)


def _lost(events: int, error: Exception | None) -> tuple[Problem, ...]:
    why = error.problems if isinstance(error, RecordingError) else ()
    hint = "the transcripts of the turns are in the run's folder"
    message = f"the end of the run is not in its journal: {events} events could not be written"
    return Problem("journal-incomplete", message, hints=(hint,)), *why
