"""Reading: never a traceback, never a change, whatever is found."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from journal.scenes import (
    died_run,
    give_away,
    new_run,
    node_ended,
    opened,
    plain_user,
    run_ended,
    turn_ended,
    turn_started,
    warned,
)
from orchcore.errors import RecordingError
from orchcore.events import InstanceEnded, NodeEnded, SubStepEnded, SubStepStarted
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.migrations import MIGRATIONS, migrate
from orchcore.journal.reader import read_run, read_summary, runs
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.snapshot import snapshot
from orchcore.results import Failure


@pytest.fixture
def public_root() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield root
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)
    shutil.rmtree(root)


async def ended_run(root: Path) -> RunFolder:
    folder = new_run(root)
    recorder = opened(folder)
    await recorder.commit(warned(1))
    await recorder.commit(run_ended(folder.id))
    await recorder.close()
    return folder


async def test_a_summary_tells_an_ended_run(tmp_path: Path) -> None:
    """State, exit code, counts and money of a run that ended."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    for number in (1, 2, 3):
        recorder.note(turn_started(turn=f"turn-{number}"))
        recorder.note(turn_ended(turn=f"turn-{number}", cost_usd=None if number == 3 else 0.5))
    await recorder.commit(run_ended(folder.id, exit_code=1))
    await recorder.close()
    (summary,) = runs(ProjectFolder.seen(tmp_path))
    assert (summary.id, summary.state, summary.exit_code) == (folder.id, "ended", 1)
    assert (summary.turns, summary.unpriced_turns, summary.cost_usd) == (3, 1, 1.0)
    assert (summary.states, summary.orchfile, summary.argv) == (
        {"passed": 1},
        "orchfile.py",
        ("run",),
    )
    assert summary.pid == os.getpid()


async def test_a_running_run_is_counted_so_far(tmp_path: Path) -> None:
    """A fan-out counts once per instance, another node once, its last state only."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    for node in ("review:a", "review:b"):
        recorder.note(InstanceEnded(at=1.0, node=node, state="passed"))
    recorder.note(InstanceEnded(at=1.0, node="review:b", state="failed", attempt=2))
    recorder.note(node_ended("review"))
    await recorder.commit(node_ended("plan"))
    summary = read_summary(folder)
    assert (summary.state, summary.states) == ("running", {"passed": 2, "failed": 1})
    assert summary.duration_s(summary.started_at + 5) == 5
    await recorder.close()
    assert read_summary(folder).state == "died"  # closed without having ended


async def test_time_in_which_no_process_worked_does_not_count(tmp_path: Path) -> None:
    """Of one that died, what it told last; of one that ended, its end."""
    folder = new_run(tmp_path)
    for _ in range(3):
        recorder = opened(folder)
        await recorder.commit(node_ended("plan"))
        await recorder.close()
    spans = [(1000.0, None), (2000.0, 2007.0), (9000.0, None)]
    with closing(sqlite3.connect(folder.journal)) as database, database:
        for number, span in enumerate(spans, 1):
            change = "UPDATE processes SET started_at = ?, ended_at = ? WHERE number = ?"
            database.execute(change, (*span, number))
        database.execute("UPDATE events SET at = 1005.0")
    summary = read_summary(folder)
    assert (summary.started_at, summary.worked_s) == (1000.0, 5 + 7)
    assert replace(summary, state="running").duration_s(9002.0) == 5 + 7 + 2


async def test_steps_are_read_with_their_values(tmp_path: Path) -> None:
    """A step that ended has its value and state, one that did not is running."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    for path in ("0", "1", "2"):
        recorder.note(SubStepStarted(1.0, "a", 1, path, "command", "pytest"))
    recorder.note(SubStepEnded(2.0, "a", 1, "0", 1.0, value="[0]", exit_code=0))
    await recorder.commit(SubStepEnded(2.0, "a", 1, "1", 1.0, failure=Failure("error", "boom")))
    passed, failed, running = read_run(folder).steps
    assert (passed.state, passed.value, passed.exit_code) == ("passed", "[0]", 0)
    assert (failed.state, failed.value) == ("failed", None)
    assert (running.state, running.ended_at) == ("running", None)
    await recorder.close()


def _garbage(folder: RunFolder) -> None:
    folder.journal.write_bytes(b"not a database" * 1000)


def _damage(folder: RunFolder) -> None:
    size = folder.journal.stat().st_size
    with folder.journal.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def _foreign(folder: RunFolder) -> None:
    folder.journal.unlink()
    with sqlite3.connect(folder.journal) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()


def _newer(folder: RunFolder) -> None:
    connection = sqlite3.connect(folder.journal)
    connection.execute("PRAGMA user_version = 999")
    connection.close()


def _unknown_event(folder: RunFolder) -> None:
    with sqlite3.connect(folder.journal) as connection:
        connection.execute('UPDATE events SET body = \'{"kind": "new"}\'')
    connection.close()


def _empty(folder: RunFolder) -> None:
    folder.journal.write_bytes(b"")


def _remove(folder: RunFolder) -> None:
    folder.journal.unlink()


SPOILED = {
    "garbage": (_garbage, "file is not a database"),
    "damaged": (_damage, "cannot be read"),
    "foreign": (_foreign, "not a journal of orchcore"),
    "newer": (_newer, "a newer orchcore wrote this journal (schema 999"),
    "emptied": (_empty, "is just starting, or died"),
    "missing": (_remove, "has no journal"),
    "unknown": (_unknown_event, "does not know"),
}


@pytest.mark.parametrize("how", SPOILED)
async def test_a_spoiled_journal_is_listed_with_the_reason(tmp_path: Path, how: str) -> None:
    """It spoils neither the list nor the program; a sound run beside it is listed as ever."""
    spoiled, sound = [await ended_run(tmp_path) for _ in range(2)]
    spoil, reason = SPOILED[how]
    spoil(spoiled)
    listed = {summary.id: summary for summary in runs(ProjectFolder.seen(tmp_path))}
    assert listed[sound.id].state == "ended"
    assert listed[spoiled.id].state == "unreadable"
    assert reason in listed[spoiled.id].reason
    with pytest.raises(RecordingError) as caught:
        read_run(spoiled)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("how", "code"), [("foreign", "journal-foreign"), ("newer", "journal-newer")]
)
async def test_the_recorder_leaves_a_strange_journal_alone(
    tmp_path: Path, how: str, code: str
) -> None:
    """A foreign or newer database is refused without a byte being changed."""
    folder = await ended_run(tmp_path)
    SPOILED[how][0](folder)
    before = folder.journal.read_bytes()
    with pytest.raises(RecordingError) as caught:
        opened(folder)
    assert caught.value.code == code
    assert folder.journal.read_bytes() == before


READ = (
    "run = RunFolder('abcd', Path(sys.argv[1]))\n"
    "record = reader.read_run(run)\n"
    "print(record.summary.state, len(record.events))"
)


@pytest.mark.parametrize("kept", ["finished", "dead", "dead-without-shm"])
async def test_a_read_only_folder_is_readable(public_root: Path, kept: str) -> None:
    """Also a dead run's, whose last events are in the WAL only; nothing is left there."""
    if kept == "finished":
        folder, events = await ended_run(public_root), 2
    else:
        folder, _ = died_run(public_root, 30)
        shm = folder.journal.with_name("journal.db-shm")
        wal = folder.journal.with_name("journal.db-wal")
        assert wal.stat().st_size > 0
        copy = public_root / "copy"
        shutil.copytree(folder.path, copy)
        events = len(read_run(RunFolder("abcd", copy)).events)
        assert events > 30
        if kept == "dead-without-shm":
            shm.unlink()
    names = sorted(folder.path.iterdir())
    for path in folder.path.iterdir():
        path.chmod(0o400)
    give_away(public_root)
    folder.path.chmod(0o500)
    told = plain_user(READ, str(folder.path))
    state = "ended" if kept == "finished" else "died"
    assert told.stdout.strip() == f"{state} {events}", told.stderr
    assert sorted(folder.path.iterdir()) == names


async def test_someone_elses_run_is_explained(public_root: Path) -> None:
    """Without the right to read there is a reason and no traceback."""
    folder = await ended_run(public_root)
    folder.path.chmod(0o700)
    give_away(public_root)
    for path in (folder.path, folder.path.parent, folder.path.parent.parent):
        path.chmod(0o755)
    folder.journal.chmod(0o000)
    code = (
        "(run,) = reader.runs(ProjectFolder.seen(Path(sys.argv[1])))\nprint(run.state, run.reason)"
    )
    told = plain_user(code, str(public_root))
    assert told.stdout.startswith("unreadable the journal "), told.stderr


def test_migrations_run_once_each_and_whole(tmp_path: Path) -> None:
    """Only missing ones are applied; a failing one leaves the version before it."""
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    migrate(connection)
    second = ("CREATE TABLE more (x)",)
    broken = ("CREATE TABLE never (x)", "nonsense")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [*MIGRATIONS, second, broken])
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert "more" in tables
    assert "never" not in tables
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    migrate(connection, [*MIGRATIONS, second])
    with pytest.raises(RecordingError, match="schema 2, this one knows 1"):
        migrate(connection)
    connection.close()


async def test_an_older_journal_is_read_through_a_copy(tmp_path: Path) -> None:
    """Reading brings the tables up to date in memory and leaves the file as it is."""
    folder = await ended_run(tmp_path)
    before = folder.journal.read_bytes()
    later = [*MIGRATIONS, ("ALTER TABLE events ADD COLUMN extra TEXT DEFAULT 'x'",)]
    with snapshot(folder, later) as connection:
        rows = connection.execute("SELECT extra FROM events").fetchall()
        assert [row["extra"] for row in rows] == ["x", "x"]
    assert folder.journal.read_bytes() == before


async def test_a_partial_node_counts_while_the_run_goes_on(tmp_path: Path) -> None:
    """Beside its instances, as at the run's end."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    recorder.note(InstanceEnded(1.0, "work:a", "passed"))
    recorder.note(InstanceEnded(2.0, "work:b", "failed"))
    await recorder.commit(NodeEnded(3.0, "work", "partial"))
    assert read_summary(folder).states == {"passed": 1, "failed": 1, "partial": 1}
    await recorder.close()
