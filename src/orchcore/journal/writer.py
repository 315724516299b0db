"""The thread that writes a journal: one group of events after another.

It ends only when its backlog is closed and empty. A group that cannot be written is tried again
for ``patience_s``; then those who wait for it are told, and the events are kept and tried again
with the next group, so that a disk that is freed in time loses nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

from orchcore.journal.backlog import LINGER_S, Backlog, Entry
from orchcore.journal.database import JournalDatabase
from orchcore.journal.rows import is_paid

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
_RETRY_KEPT_S = 1.0


class JournalWriter:
    """Owns the database from its start to its end."""

    def __init__(self, database: JournalDatabase, backlog: Backlog, patience_s: float) -> None:
        """Takes over *database*; ``start`` starts the thread."""
        self._database = database
        self._backlog = backlog
        self._patience_s = patience_s
        self._kept = list[Entry]()
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name="orchcore-journal", daemon=True)

    @property
    def error(self) -> Exception | None:
        """Why the last group was not written, as it is raised; ``None`` while all is well."""
        return None if self._error is None else self._database.told(self._error)

    @property
    def unwritten(self) -> int:
        """How many events are kept that could not be written."""
        return len(self._kept)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def join(self) -> None:
        """Waits until all is written, or given up, and the database is closed."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._database.close()

    def _serve(self) -> None:
        while True:
            closing = self._backlog.closed  # whatever comes before that is taken below
            group = self._backlog.take(_RETRY_KEPT_S if self._kept else LINGER_S)
            if group or self._kept:
                self._settle(group)
            if closing and not group:
                return

    def _settle(self, group: list[Entry]) -> None:
        waiting = [*self._kept, *group]
        self._error = self._write_patiently(waiting)
        waiters = [entry.waiter for entry in group if entry.waiter is not None]
        if self._error is None:
            self._backlog.finished(sum(len(entry.body or b"") for entry in waiting))
            self._kept = []
            _release(waiters, None)
        else:
            self._kept = [Entry(entry.event, entry.body, None) for entry in waiting if entry.body]
            _release(waiters, self._database.told(self._error))

    def _write_patiently(self, entries: Sequence[Entry]) -> Exception | None:
        """Writes *entries* as one group; the last error if that was not possible."""
        # Once it failed for so long, each further try is a single one: nobody waits twice.
        until = time.monotonic() + (0.0 if self._error else self._patience_s)
        pause_s = _FIRST_PAUSE_S
        while True:
            error = self._write(entries)
            if error is None or not JournalDatabase.may_pass(error) or time.monotonic() > until:
                return error
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _write(self, entries: Sequence[Entry]) -> Exception | None:
        events = [(entry.event, entry.body) for entry in entries if entry.body is not None]
        if not events:
            return None
        try:
            self._database.append(events, paid=any(is_paid(event) for event, _ in events))
        except Exception as error:  # noqa: BLE001  a bug here must reach those who wait, too
            return error
        return None


def _release(waiters: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    """Tells *waiters*, all of one loop, with a single wake-up of it."""
    if not waiters:
        return

    def settle() -> None:
        for waiter in waiters:
            if waiter.done():  # cancelled meanwhile; its event is written all the same
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        waiters[0].get_loop().call_soon_threadsafe(settle)
