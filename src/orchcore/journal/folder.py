"""Where a project's runs are kept: ``.orchcore/runs/``, private (0700) and ignored by git."""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from orchcore.errors import (
    Problem,
    RecordingError,
    UsageError,
    did_you_mean,
    shell_word,
    shown_path,
)
from orchcore.journal.refusals import (
    file_system,
    network_folder,
    tracked_folder,
    unsafe_folder,
    unwritable_folder,
)
from orchcore.journal.run_folder import RunFolder, made_folder, unmakeable

__all__ = ["FOLDER_NAME", "ProjectFolder", "RunFolder"]

FOLDER_NAME = ".orchcore"

_RUN_ID = re.compile(r"[0-9a-f]{4,32}")


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
            raise RecordingError(unmakeable(folder, error)) from error
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
            RecordingError: It cannot be made, or ``runs`` is a link or someone else's.
        """
        runs = made_folder(self.path, "runs")
        if (problem := unsafe_folder(runs)) is not None:
            raise RecordingError(problem)
        tries = 0
        while True:
            run_id = token(8)[: 4 + min(tries // 4, 12)]
            tries += 1
            try:
                (runs / run_id).mkdir(mode=0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise RecordingError(unmakeable(runs / run_id, error)) from error
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
            hint = f"look at who may read it: ls -ld {shell_word(shown_path(self.path))}"
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
        raise RecordingError(unmakeable(folder, error)) from error


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
