"""One run's folder: ``.orchcore/runs/<id>/``.

It holds the run's journal (``journal.db``), its lock, the sessions of its agents and one folder
per node or instance. Everything is made with mode 0700.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from orchcore.errors import Problem, RecordingError, shell_word, shown_path

JOURNAL_NAME = "journal.db"
LOCK_NAME = "lock"
SESSIONS_NAME = "sessions"
APPROVALS_NAME = "approvals"
PAUSE_NAME = "paused"
FILES_NAME = "files"

_NAME_LIMIT_BYTES = 100
_UNSAFE = re.compile(rb"[^A-Za-z0-9._:+=@,-]")
_RESERVED = frozenset({LOCK_NAME, SESSIONS_NAME, APPROVALS_NAME, PAUSE_NAME, FILES_NAME})


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder.

    Attributes:
        id: The run's id: 4 or more lower-case hexadecimal digits.
        path: ``.orchcore/runs/<id>``, absolute.
        process: Which process works on it: 1, or more if it was resumed.

    Example:
        >>> RunFolder("7f3c", Path("/p/.orchcore/runs/7f3c")).journal.name
        'journal.db'
    """

    id: str
    path: Path
    process: int = 1

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
    def pause_mark(self) -> Path:
        """A file that is there while no further turn may start."""
        return self.path / PAUSE_NAME

    @property
    def files(self) -> Path:
        """Where what agents change is kept; not made."""
        return self.path / FILES_NAME

    @property
    def sessions(self) -> Path:
        """The folder shared by all turns of the run, for adapters that keep sessions; made.

        Raises:
            RecordingError: It cannot be made.
        """
        return made_folder(self.path, SESSIONS_NAME)

    def node_folder(self, node_id: str) -> Path:
        """Where everything of a node or instance is kept; not made."""
        return self.path / folder_name(node_id)

    def turn_folder(self, node_id: str, attempt: int, turn: int) -> Path:
        """``<node>/attempt-1/turn-1``, made (0700) if it is not there.

        A process that resumes the run has folders of its own: ``<node>/resume-1/attempt-1/turn-1``.

        Args:
            node_id: A node's or an instance's id.
            attempt: From 1.
            turn: From 1, unique within the attempt.

        Raises:
            RecordingError: It cannot be made.
        """
        resumed = (f"resume-{self.process - 1}",) if self.process > 1 else ()
        names = (folder_name(node_id), *resumed, f"attempt-{attempt}", f"turn-{turn}")
        return made_folder(self.path, *names)

    def answer_file(self, gate_id: str) -> Path:
        """``approvals/<gate>.json``: where an answer is left while nobody asks; not made."""
        return self.path / APPROVALS_NAME / f"{folder_name(gate_id)}.json"

    def artifacts(self, node_id: str) -> Path:
        """The folder in which a node or instance may keep files, made if it is not there.

        Raises:
            RecordingError: It cannot be made.
        """
        return made_folder(self.path, folder_name(node_id), "artifacts")


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


def made_folder(path: Path, *names: str) -> Path:
    """The folder *names* below *path*, each level made (0700) if it is not there.

    Raises:
        RecordingError: One cannot be made.
    """
    for name in names:
        path = path / name
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise RecordingError(unmakeable(path, error)) from error
    return path


def unmakeable(path: Path, error: OSError) -> Problem:
    """Tells that *path* could not be made."""
    return Problem(
        "folder-unmakeable",
        f"{shown_path(path)} cannot be made ({error.strerror})",
        hints=(
            f"look at its place and its free space: df -h {shell_word(shown_path(path.parent))}",
        ),
    )
