"""``clean``: removes recorded runs, and tells how much room they take. No orchfile is imported."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from orchcore.cli.output import say, say_lines
from orchcore.cli.recorded import project_at
from orchcore.cli.shared_options import in_project
from orchcore.errors import Problem, UsageError, shown_path
from orchcore.journal.cache_files import CACHE_NAME, CacheFiles
from orchcore.journal.origin import take_lock
from orchcore.journal.record import RunSummary
from orchcore.journal.run_folder import RunFolder
from orchcore.policies import duration_s


@dataclass(frozen=True, slots=True)
class _Kept:
    """A run and the room it takes."""

    run: RunSummary
    size_bytes: int


@click.command(
    "clean",
    help="""Remove recorded runs, or show how much room each takes.

Runs that go on, and runs that wait for an answer, are never removed. Links are removed themselves,
never followed. What was removed cannot be resumed.

\b
Examples:
  orchcore clean                                   the room that each run takes
  orchcore clean --older-than 30d
  orchcore clean --older-than 7d --keep 20         but the latest 20 stay
""",
)
@in_project
@click.option("--older-than", metavar="AGE", help="Runs that are older: 30d, 12h.")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="The latest N stay.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def clean_command(
    file: str | None, older_than: str | None, keep: int | None, dry_run: bool
) -> None:
    """Removes them, or shows the room they take."""
    from orchcore.journal.reader import runs

    project = project_at(file)
    kept = [_Kept(run, _size_bytes(run.folder.path)) for run in runs(project)]
    cache = CacheFiles(project.path / CACHE_NAME)
    if older_than is None and keep is None:
        say_lines((*_report(kept, project.path), *_report_of(cache)))
        return
    before = _before(older_than)
    old = _chosen(kept, before, keep)
    results = [] if older_than is None else _older(cache, before)
    if not dry_run:
        for one in old:
            _remove(one.run.folder)
        for path in results:
            path.unlink(missing_ok=True)
    verb = "would be removed" if dry_run else "removed"
    room = _shown(sum(one.size_bytes for one in old))
    say_lines(f"{verb}: {one.run.id}  {_shown(one.size_bytes)}" for one in old)
    paused = sum(one.run.exit_code == _PAUSED for one in kept)
    stay = f"; {paused} are paused and stay" if paused else ""
    say(f"{len(old)} of {len(kept)} runs {verb}, {room}{stay}\n")
    if results:
        say(f"{len(results)} cached results {verb}\n")


def _before(older_than: str | None) -> float:
    """What is older than this unix time is old enough."""
    try:
        return time.time() - (0.0 if older_than is None else duration_s(older_than))
    except ValueError as error:
        raise UsageError(Problem("usage", f"--older-than {older_than}: {error}")) from None


def _older(cache: CacheFiles, before: float) -> list[Path]:
    return [path for path in cache.kept() if _changed_at(path) <= before]


def _chosen(kept: list[_Kept], before: float, keep: int | None) -> list[_Kept]:
    """Those to be removed; *kept* has the latest first."""
    return [
        one
        for one in kept[keep or 0 :]
        if one.run.state in ("ended", "died", "unreadable")
        and one.run.exit_code != _PAUSED
        and max(one.run.last_at, _changed_at(one.run.folder.path)) <= before
    ]


_PAUSED = 10


def _changed_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: RunFolder) -> None:
    """Removes a run's folder, which nobody can resume meanwhile.

    ``rmtree`` follows no link, and refuses to begin at one.

    Raises:
        RecordingError: It has just been resumed.
        UsageError: It cannot be removed.
    """
    path = folder.path
    try:
        lock = take_lock(folder.lock)
        try:
            shutil.rmtree(path)
        finally:
            os.close(lock)
    except OSError as error:
        message = f"{shown_path(path)} cannot be removed: {error.strerror or error}"
        hint = f"look at its rights: ls -l {shown_path(path)}"
        raise UsageError(Problem("unremovable", message, None, (hint,))) from None


def _size_bytes(path: Path) -> int:
    """The room that *path* takes, links not followed."""
    total = 0
    for folder, _, names in path.walk(follow_symlinks=False):
        for name in names:
            try:
                total += (folder / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def _report(kept: list[_Kept], place: Path) -> Iterator[str]:
    from orchcore.planning.drawing import columns

    rows = [(one.run.id, one.run.state, _shown(one.size_bytes)) for one in kept]
    if rows:
        yield from columns(rows).splitlines()
    total = _shown(sum(one.size_bytes for one in kept))
    yield f"{len(kept)} runs in {shown_path(place)}: {total}"


def _report_of(cache: CacheFiles) -> Iterator[str]:
    if kept := cache.kept():
        yield f"{len(kept)} cached results: {_shown(_size_bytes(cache.folder))}"


def _shown(size_bytes: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes} {unit}"
        size_bytes = -(-size_bytes // 1024)
    return f"{size_bytes} GiB"
