"""A journal opened for reading, without disturbing who writes it.

Rules of this file. Only SQLite opens the database and its side files, read-only: closing a
descriptor of our own would drop the locks that this process may hold on them as a writer. A
transaction is short, for as long as it lasts the writer cannot shrink its files.
"""

import shutil
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from orchcore.errors import Problem, RecordingError, shell_word, shown_path
from orchcore.journal.migrations import MIGRATIONS, Migration, migrate, recorded_version
from orchcore.journal.run_folder import RunFolder

_BUSY_S = 5.0


@contextmanager
def snapshot(
    folder: RunFolder, migrations: Sequence[Migration] = MIGRATIONS
) -> Generator[sqlite3.Connection]:
    """The run's database in a read transaction; what is written meanwhile is not seen.

    A journal of an older schema is read through a copy in memory, brought up by *migrations*.

    Raises:
        RecordingError: There is no journal, or it is damaged, foreign, newer, or not readable
            for this user.
    """
    try:
        with closing(_opened(folder.journal, migrations)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            yield connection
    except (sqlite3.Error, OSError, ValueError) as error:
        raise RecordingError(_unreadable(folder, error)) from error


def _opened(journal: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    connection = _reachable(journal)
    try:
        if _written_version(connection, len(migrations)) == len(migrations):
            return connection
        return _migrated_copy(connection, migrations)
    except BaseException:
        connection.close()
        raise


def _written_version(connection: sqlite3.Connection, known: int) -> int:
    version = recorded_version(connection, known)
    if version == 0:
        raise sqlite3.DatabaseError("empty: the run is just starting, or died while it started")
    return version


def _reachable(journal: Path) -> sqlite3.Connection:
    connection = _read_only(journal)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        refused = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if not refused or not journal.exists() or _side_file(journal, "-shm").exists():
            raise
        return _private_copy(journal)
    except BaseException:
        connection.close()
        raise
    return connection


def _read_only(journal: Path) -> sqlite3.Connection:
    uri = f"{journal.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)


def _private_copy(journal: Path) -> sqlite3.Connection:
    """A dead run's journal from a folder in which SQLite cannot make its side files.

    Without ``-shm`` nobody has it open, so opening the files here drops no one's locks.
    """
    with TemporaryDirectory(prefix="orchcore-") as place:
        copy = Path(place) / journal.name
        for suffix in ("", "-wal", "-journal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(_side_file(journal, suffix), _side_file(copy, suffix))
        with closing(sqlite3.connect(copy)) as source:
            return _in_memory(source)


def _migrated_copy(
    connection: sqlite3.Connection, migrations: Sequence[Migration]
) -> sqlite3.Connection:
    with closing(connection):
        memory = _in_memory(connection)
    migrate(memory, migrations)
    return memory


def _in_memory(source: sqlite3.Connection) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    source.backup(memory)
    return memory


def _side_file(journal: Path, suffix: str) -> Path:
    return journal.with_name(journal.name + suffix)


def _unreadable(folder: RunFolder, error: Exception) -> Problem:
    place = shown_path(folder.journal)
    if not folder.journal.exists():
        message = f"run {folder.id} has no journal: it is just starting, or died while it started"
        return Problem("journal-missing", message, hints=("start anew: orchcore run",))
    look = shell_word(shown_path(folder.path))
    hints: tuple[str, ...] = (f"look at its rights: ls -l {look}",)
    if getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        hints = (
            f"it is damaged; what agents said is beside it: find {look} -name stdout.jsonl",
            "start anew: orchcore run",
        )
    return Problem(
        "journal-unreadable",
        f"the journal {place} cannot be read ({error})",
        hints=hints,
    )
