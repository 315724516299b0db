"""The one writable connection to a run's database.

Rules of this file. One process writes (it holds the run's lock), through one connection. A group
of events is one transaction: all of it or nothing. In WAL mode a commit survives the end of the
process in any case; ``synchronous=FULL`` also waits for the disk, and everything written before
goes with it.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import batched
from pathlib import Path
from typing import Self

from orchcore.errors import Problem, RecordingError, shell_word, shown_path
from orchcore.events import Event
from orchcore.journal.migrations import migrate, recorded_version
from orchcore.journal.origin import Origin, take_lock
from orchcore.journal.rows import Cell, change_of, event_cells, insert_events
from orchcore.journal.run_folder import RunFolder

_BUSY_S = 5.0
_LOOK_EVERY_S = 0.2
_CHUNK_ROWS = 64
_INSERT_CHUNK, _INSERT_ONE = insert_events(_CHUNK_ROWS), insert_events(1)

# A failed fsync may have thrown the data away although the next one succeeds; damage stays damage.
_FINAL = frozenset({"SQLITE_IOERR_FSYNC", "SQLITE_CORRUPT", "SQLITE_NOTADB"})
_MISSING = "the journal's file is gone"


class JournalDatabase:
    """A run's database, open for writing by this process alone.

    Opened in one thread, then owned by another; never used by two at a time.
    """

    def __init__(self, folder: RunFolder, connection: sqlite3.Connection, lock: int) -> None:
        """Takes over the *connection* and the descriptor of the *lock*."""
        self._folder = folder
        self._connection = connection
        self._lock = lock
        self._waits_for_disk = True
        self._next_seq = 1 + _last_seq(connection)
        self._look_again = 0.0
        self._inode = folder.journal.stat().st_ino

    @classmethod
    def open(cls, folder: RunFolder, origin: Origin) -> Self:
        """Opens the run in *folder*, new or to be resumed, and records *origin* in it.

        Raises:
            RecordingError: Another process has it, a newer orchcore wrote it, or it cannot be
                written.
        """
        try:
            lock = take_lock(folder.lock)
        except OSError as error:
            raise RecordingError(_unopened(folder, str(error.strerror))) from error
        try:
            connection = _connected(folder.journal)
            try:
                return cls(folder, _prepared(connection, folder.id, origin), lock)
            except BaseException:
                connection.close()
                raise
        except BaseException as error:
            os.close(lock)
            if isinstance(error, sqlite3.Error | OSError):
                raise RecordingError(_unopened(folder, str(error))) from error
            raise

    def append(self, events: Sequence[tuple[Event, bytes]], *, paid: bool) -> None:
        """Writes *events* in one transaction, on the disk itself if *paid*.

        Raises:
            sqlite3.Error: Nothing of it was written.
            FileNotFoundError: The run's folder was removed; what was written is lost with it.
        """
        self._stay_in_place(paid=paid)
        self._set_waiting(paid=paid)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._insert(events)
            connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._next_seq += len(events)

    def close(self) -> None:
        """Moves everything into the one file, closes it and lets the run go.

        A finished journal leaves WAL mode, so that it can be read from a read-only place. With
        readers about that has to wait; they and a later resume cope with either form.
        """
        try:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 200")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            self._connection.close()
        finally:
            os.close(self._lock)

    def told(self, error: Exception) -> Exception:
        """*error* of ``append`` as those who wait should get it; a bug stays what it is."""
        if isinstance(error, sqlite3.Error | OSError):
            return RecordingError(self._problem(error))
        return error

    @staticmethod
    def may_pass(error: Exception) -> bool:
        """Whether a failed ``append`` may succeed later: space is freed, a lock is let go."""
        name = getattr(error, "sqlite_errorname", "")
        return isinstance(error, sqlite3.OperationalError) and name not in _FINAL

    def _problem(self, error: Exception) -> Problem:
        place, run = shown_path(self._folder.path), self._folder.id
        if isinstance(error, FileNotFoundError):
            return Problem(
                "journal-vanished",
                f"{place} was removed while the run went on",
                hints=("start anew: orchcore run",),
            )
        name = getattr(error, "sqlite_errorname", "")
        full = name == "SQLITE_FULL"
        hint = "free some space" if full else f"look at its disk: df -h {shell_word(place)}"
        return Problem(
            "disk-full" if full else "journal-unwritable",
            f"the journal in {place} cannot be written ({error}{f', {name}' if name else ''})",
            hints=(f"{hint}; what is kept: orchcore show {run}",),
        )

    def _insert(self, events: Sequence[tuple[Event, bytes]]) -> None:
        # Every statement lets go of the interpreter's lock and has to win it back from the
        # loop's thread, at worst 5 ms later: hence many rows in one.
        seq = self._next_seq
        rows = (event_cells(n, event, body) for n, (event, body) in enumerate(events, seq))
        for chunk in batched(rows, _CHUNK_ROWS):
            for statement, cells in _inserts(chunk):
                self._connection.execute(statement, cells)
        for number, (event, _) in enumerate(events, seq):
            change = change_of(number, event)
            if change is not None:
                self._connection.execute(change.sql, change.cells)

    def _set_waiting(self, *, paid: bool) -> None:
        if paid != self._waits_for_disk:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if paid else 'NORMAL'}")
            self._waits_for_disk = paid

    def _stay_in_place(self, *, paid: bool) -> None:
        # SQLite goes on writing to a file that has no name any more, and calls it a success.
        now = time.monotonic()
        if not paid and now < self._look_again:
            return
        if self._folder.journal.stat().st_ino != self._inode:
            raise FileNotFoundError(_MISSING)
        self._look_again = now + _LOOK_EVERY_S


def _inserts(rows: Sequence[tuple[Cell, ...]]) -> Iterator[tuple[str, Sequence[Cell]]]:
    if len(rows) == _CHUNK_ROWS:
        yield _INSERT_CHUNK, [cell for row in rows for cell in row]
        return
    for row in rows:
        yield _INSERT_ONE, row


def _connected(journal: Path) -> sqlite3.Connection:
    # Made beforehand, so that nobody else can read it even for a moment. An existing one is left
    # alone: closing it would drop the locks of a reader in this process.
    with suppress(FileExistsError):
        os.close(os.open(journal, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return sqlite3.connect(journal, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _prepared(connection: sqlite3.Connection, run: str, origin: Origin) -> sqlite3.Connection:
    recorded_version(connection)  # before anything is changed
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(f"its file system gives no shared memory (mode {mode})")
    connection.execute("PRAGMA synchronous = NORMAL")
    migrate(connection)
    # macOS: fsync alone leaves the data in the drive's cache.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    _record_origin(connection, run, origin)
    connection.execute("COMMIT")
    return connection


def _record_origin(connection: sqlite3.Connection, run: str, origin: Origin) -> None:
    now = time.time()
    connection.execute(
        "INSERT INTO meta SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT * FROM meta)",
        (run, _text(origin.orchfile), now, origin.version),
    )
    connection.execute(
        "INSERT INTO processes (version, argv, cwd, host, boot_id, pid, pid_started, started_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(origin.version, origin.argv_json, _text(str(origin.cwd)), origin.host),
            *(origin.boot_id, origin.pid, origin.pid_started, now),
        ),
    )


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _last_seq(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def _unopened(folder: RunFolder, why: str) -> Problem:
    place = shown_path(folder.path)
    look = f"ls -l {shell_word(place)}; df -h {shell_word(place)}"
    return Problem(
        "journal-unopened",
        f"the journal in {place} cannot be opened ({why})",
        hints=(f"look at its rights and its disk: {look}",),
    )
