"""Where a project's runs are kept: ``.orchcore/runs/<id>/``.

``.orchcore`` is private (0700) and ignores itself in git. A run's folder holds its journal
(``journal.db``), its lock, the sessions of its agents and one folder per node or instance.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Self

from orchcore.errors import Problem, RecordingError, UsageError, did_you_mean, shown_path
from orchcore.journal.refusals import (
    file_system,
    network_folder,
    tracked_folder,
    unsafe_folder,
    unwritable_folder,
)

FOLDER_NAME = ".orchcore"
JOURNAL_NAME = "journal.db"
LOCK_NAME = "lock"
SESSIONS_NAME = "sessions"

_NAME_LIMIT_BYTES = 100
_UNSAFE = re.compile(rb"[^A-Za-z0-9._:+=@,-]")
_RESERVED = frozenset({LOCK_NAME, SESSIONS_NAME})
_RUN_ID = re.compile(r"[0-9a-f]{4,32}")


def folder_name(node_id: str) -> str:
    """*node_id* as the name of one folder: unique, at most 117 bytes of plain ASCII.

    Letters, digits and ``._:+=@,-`` stay; every other byte becomes ``%XX``; so does the first
    one of a name that starts with a dot or that a run's folder uses itself. A longer name is
    cut at 100 bytes and ends with ``~`` and a digest of the whole id.

    Example:
        >>> folder_name("review:codex"), folder_name("../x")
        ('review:codex', '%2E.%2Fx')
    """
    raw = node_id.encode("utf-8", "surrogatepass")
    name = _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], raw).decode("ascii")
    if name in _RESERVED or name.startswith((".", JOURNAL_NAME)):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) <= _NAME_LIMIT_BYTES:
        return name or "%"
    return f"{name[:_NAME_LIMIT_BYTES]}~{sha256(raw).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder.

    Attributes:
        id: The run's id: 4 or more lower-case hexadecimal digits.
        path: ``.orchcore/runs/<id>``, absolute.

    Example:
        >>> RunFolder("7f3c", Path("/p/.orchcore/runs/7f3c")).journal.name
        'journal.db'
    """

    id: str
    path: Path

    @property
    def journal(self) -> Path:
        """The run's database. Never open it but through ``sqlite3``.

        Closing any other descriptor of it drops the locks that SQLite holds in this process.
        """
        return self.path / JOURNAL_NAME

    @property
    def lock(self) -> Path:
        """The file whose flock is held by the process that writes the journal."""
        return self.path / LOCK_NAME

    @property
    def sessions(self) -> Path:
        """The folder shared by all turns of the run, for adapters that keep sessions; made.

        Raises:
            RecordingError: It cannot be made.
        """
        return _made(self.path, SESSIONS_NAME)

    def node_folder(self, node_id: str) -> Path:
        """Where everything of a node or instance is kept; not made."""
        return self.path / folder_name(node_id)

    def turn_folder(self, node_id: str, attempt: int, turn: int) -> Path:
        """``<node>/attempt-1/turn-1``, made (0700) if it is not there.

        Args:
            node_id: A node's or an instance's id.
            attempt: From 1.
            turn: From 1, unique within the attempt.

        Raises:
            RecordingError: It cannot be made.
        """
        return _made(self.path, folder_name(node_id), f"attempt-{attempt}", f"turn-{turn}")

    def artifacts(self, node_id: str) -> Path:
        """The folder in which a node or instance may keep files, made if it is not there.

        Raises:
            RecordingError: It cannot be made.
        """
        return _made(self.path, folder_name(node_id), "artifacts")


@dataclass(frozen=True, slots=True)
class ProjectFolder:
    """A project's ``.orchcore`` folder.

    Attributes:
        path: The folder, absolute; it need not exist for those who only read.
    """

    path: Path

    @classmethod
    def at(cls, root: Path) -> Self:
        """The folder in *root*, made and fit to record in.

        Raises:
            RecordingError: It cannot be made, is a link, someone else's, tracked by git, not
                writable, or on a network file system.
        """
        folder = root.resolve() / FOLDER_NAME
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            pass  # A file or a dangling link: told below.
        except OSError as error:
            raise RecordingError(_unmakeable(folder, error)) from error
        problem = (
            unsafe_folder(folder)
            or unwritable_folder(folder)
            or network_folder(folder, file_system(folder))
            or tracked_folder(folder)
        )
        if problem is not None:
            raise RecordingError(problem)
        _furnish(folder)
        return cls(folder)

    @classmethod
    def seen(cls, root: Path) -> Self:
        """The folder in *root* for reading only: nothing is made or checked."""
        return cls(root.resolve() / FOLDER_NAME)

    def new_run(self, token: Callable[[int], str] = secrets.token_hex) -> RunFolder:
        """A new run's folder, shared with nobody, however many start at once.

        Args:
            token: Gives so many random bytes in hexadecimal. The id is its first 4 digits, or
                more where those are taken.

        Raises:
            RecordingError: It cannot be made.
        """
        runs = _made(self.path, "runs")
        tries = 0
        while True:
            run_id = token(8)[: 4 + min(tries // 4, 12)]
            tries += 1
            try:
                (runs / run_id).mkdir(mode=0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise RecordingError(_unmakeable(runs / run_id, error)) from error
            return RunFolder(run_id, runs / run_id)

    def run_folders(self) -> tuple[RunFolder, ...]:
        """All runs, those last started or resumed first; none if nothing was ever run."""
        found = sorted(self._found(), key=lambda pair: (-pair[0], pair[1].id))
        return tuple(folder for _, folder in found)

    def find_run(self, asked: str) -> RunFolder:
        """The run with the id *asked*, or with that unique prefix, or the ``latest``.

        Raises:
            UsageError: There is none, or several.
        """
        folders = {folder.id: folder for folder in self.run_folders()}
        if asked == "latest" and folders:
            return next(iter(folders.values()))
        if asked in folders:
            return folders[asked]
        matching = [run_id for run_id in folders if asked and run_id.startswith(asked)]
        if len(matching) == 1:
            return folders[matching[0]]
        raise UsageError(_unknown_run(asked, matching, list(folders)))

    def _found(self) -> Iterator[tuple[int, RunFolder]]:
        try:
            entries = list(os.scandir(self.path / "runs"))
        except FileNotFoundError:
            return
        except OSError as error:
            hint = f"look at who may read it: ls -ld {quote(shown_path(self.path))}"
            message = f"{shown_path(self.path)} cannot be read ({error.strerror})"
            raise UsageError(Problem("folder-unreadable", message, hints=(hint,))) from error
        for entry in entries:
            if _RUN_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                folder = RunFolder(entry.name, Path(entry.path))
                yield _started_ns(folder), folder


def _started_ns(folder: RunFolder) -> int:
    # The recorder touches the lock when it opens a run; the folder's own time moves later too.
    try:
        return folder.lock.stat().st_mtime_ns
    except OSError:
        return 0


def _furnish(folder: Path) -> None:
    try:
        folder.chmod(0o700)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    except OSError as error:
        raise RecordingError(_unmakeable(folder, error)) from error


def _made(path: Path, *names: str) -> Path:
    for name in names:
        path = path / name
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise RecordingError(_unmakeable(path, error)) from error
    return path


def _unmakeable(path: Path, error: OSError) -> Problem:
    return Problem(
        "folder-unmakeable",
        f"{shown_path(path)} cannot be made ({error.strerror})",
        hints=(f"look at its place and its free space: df -h {quote(shown_path(path.parent))}",),
    )


def _unknown_run(asked: str, matching: list[str], known: list[str]) -> Problem:
    if matching:
        message = f"run {asked!r} is not unique: {', '.join(matching)}"
        return Problem("ambiguous-run", message, hints=("write one more digit",))
    if not known:
        hint = "start one: orchcore run"
        return Problem("unknown-run", "nothing has been run here yet", hints=(hint,))
    hints = did_you_mean(asked, known) if len(known) <= 20 else ()
    see = "see them all: orchcore runs"
    return Problem("unknown-run", f"there is no run {asked!r}", hints=(*hints, see))
