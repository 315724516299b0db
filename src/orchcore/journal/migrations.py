"""Brings a journal's tables up to date, and refuses those that this version cannot know.

A migration is a tuple of SQL statements; the n-th one takes a journal from version n - 1 to n.
Those that were released are never changed. Each runs in a transaction of its own together with
its version number, so a crash leaves the journal at one version or the other.
"""

import sqlite3
from collections.abc import Sequence

from orchcore.errors import Problem, RecordingError
from orchcore.journal.schema import APPLICATION_ID, FIRST_TABLES

type Migration = Sequence[str]

MIGRATIONS: tuple[Migration, ...] = (FIRST_TABLES,)


def recorded_version(connection: sqlite3.Connection, known: int = len(MIGRATIONS)) -> int:
    """The schema version of an open journal; 0 for an empty database.

    Args:
        connection: Open on the database; only read.
        known: The newest version that is understood.

    Raises:
        RecordingError: The database is not a journal, or a newer orchcore wrote it.
    """
    application, version = (
        _number(connection, "application_id"),
        _number(connection, "user_version"),
    )
    if application == 0 and version == 0 and _is_empty(connection):
        return 0
    if application != APPLICATION_ID:
        raise RecordingError(
            Problem(
                "journal-foreign",
                "journal.db is not a journal of orchcore",
                hints=("look whose file it is, and move it away",),
            )
        )
    if version > known:
        raise RecordingError(
            Problem(
                "journal-newer",
                f"a newer orchcore wrote this journal (schema {version}, this one knows {known})",
                hints=("use that version: pip install --upgrade orchcore",),
            )
        )
    return version


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Applies those of *migrations* that the database has not seen.

    Args:
        connection: Writable, in autocommit mode (``isolation_level=None``).
        migrations: All of them, oldest first.

    Raises:
        RecordingError: As ``recorded_version``; nothing was changed.
        sqlite3.Error: A statement failed; its migration was rolled back.
    """
    done = recorded_version(connection, len(migrations))
    for version, statements in enumerate(migrations[done:], done + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
