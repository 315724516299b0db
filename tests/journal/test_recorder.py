"""Recording: in order, durable when it says so, and loud when it cannot."""

import asyncio
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from journal.scenes import (
    new_run,
    node_ended,
    opened,
    run_ended,
    turn_ended,
    turn_started,
    warned,
)
from orchcore.errors import RecordingError
from orchcore.events import (
    AgentEvent,
    AgentSaid,
    ApprovalGiven,
    AttemptStarted,
    Event,
    FinalGiven,
    NoticeGiven,
    RunStarted,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolStarted,
    Warned,
)
from orchcore.journal.database import JournalDatabase
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.origin import Origin
from orchcore.journal.reader import read_run, runs
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.snapshot import snapshot


def recorded(folder: RunFolder) -> list[Event]:
    return [numbered.event for numbered in read_run(folder).events]


async def test_the_order_of_calls_is_kept(tmp_path: Path) -> None:
    """Notes and commits of many tasks are recorded in the order in which they were made."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    made = list[int]()

    async def work(task: int) -> None:
        for step in range(20):
            number = len(made)
            made.append(number)
            if (task + step) % 3:
                recorder.note(warned(number))
            else:
                await recorder.commit(warned(number))

    async with asyncio.TaskGroup() as group:
        for task in range(30):
            group.create_task(work(task), name=f"work-{task}")
    await recorder.close()
    assert recorded(folder) == [warned(number) for number in made]


async def test_what_was_committed_is_there_at_once(tmp_path: Path) -> None:
    """After a commit another connection sees the event and every note before it."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    recorder.note(warned(1))
    await recorder.commit(warned(2))
    assert recorded(folder) == [warned(1), warned(2)]
    recorder.note(warned(3))
    async with asyncio.timeout(10):
        while len(recorded(folder)) < 3:  # noqa: ASYNC110  another connection has no event to await
            await asyncio.sleep(0.01)
    await recorder.close()


async def test_a_cancelled_commit_still_records(tmp_path: Path) -> None:
    """Whoever stops waiting loses nothing, and later commits go on."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    task = asyncio.create_task(recorder.commit(warned(1)), name="commit")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await recorder.commit(warned(2))
    await recorder.close()
    assert recorded(folder) == [warned(1), warned(2)]


async def test_words_of_agents_are_left_to_transcripts(tmp_path: Path) -> None:
    """Texts, thoughts and signs of life are not kept; sessions, tools and notices are."""
    folder = new_run(tmp_path)
    recorder = opened(folder)

    def said(event: AgentEvent) -> AgentSaid:
        return AgentSaid(at=1.0, node="a", turn="turn-1", event=event)

    kept = [said(SessionStarted("s")), said(ToolStarted("1", "Read")), said(NoticeGiven("slow"))]
    for left in (TextWritten("x"), ThinkingWritten("x"), NoticeGiven(""), FinalGiven(ok=True)):
        recorder.note(said(left))
    for event in kept:
        recorder.note(event)
    await recorder.commit(said(TextWritten("whole")))
    assert recorded(folder) == kept
    await recorder.close()


async def test_what_is_not_unicode_is_recorded_escaped(tmp_path: Path) -> None:
    """Half a surrogate pair, as in a file name that is not UTF-8, stops nothing."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    await recorder.commit(Warned(at=1.0, text="bad \udcff name", node="n\ud800"))
    await recorder.close()
    assert recorded(folder) == [Warned(at=1.0, text="bad \\udcff name", node="n\\ud800")]


async def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """One run has one writer; when it has ended, the next may open it."""
    folder = new_run(tmp_path)
    first = opened(folder)
    with pytest.raises(RecordingError) as caught:
        opened(folder)
    assert caught.value.code == "run-in-use"
    await first.commit(run_ended(folder.id, 1))
    await first.close()
    second = opened(folder)
    await second.commit(warned(1))
    assert read_run(folder).summary.state == "running"
    await second.commit(run_ended(folder.id))
    await second.close()
    summary = read_run(folder).summary
    assert (summary.state, summary.processes, summary.exit_code) == ("ended", 2, 0)


async def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    """Two recorders of one project write two journals."""
    folders = [new_run(tmp_path) for _ in range(2)]
    recorders = [opened(folder) for folder in folders]
    for number in range(20):
        for offset, recorder in enumerate(recorders):
            await recorder.commit(warned(number + 100 * offset))
    for recorder in recorders:
        await recorder.close()
    assert recorded(folders[0]) == [warned(number) for number in range(20)]
    assert recorded(folders[1]) == [warned(number + 100) for number in range(20)]
    assert len(runs(ProjectFolder.seen(tmp_path))) == 2


async def test_a_finished_journal_is_one_private_file(tmp_path: Path) -> None:
    """No side files are left, the mode is 0600, and late events are a bug that is told."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    await recorder.commit(warned(1))
    await recorder.close()
    await recorder.close()
    assert sorted(path.name for path in folder.path.iterdir()) == ["journal.db", "lock"]
    assert folder.journal.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RuntimeError, match="after the journal was closed"):
        recorder.note(warned(2))


async def test_a_removed_run_is_noticed(tmp_path: Path) -> None:
    """Writing on to a deleted file is no success."""
    folder = new_run(tmp_path)
    recorder = opened(folder, patience_s=0.1)
    await recorder.commit(warned(1))
    shutil.rmtree(folder.path)
    with pytest.raises(RecordingError, match="was removed") as caught:
        await recorder.commit(turn_ended())
    assert caught.value.code == "journal-vanished"
    with pytest.raises(RecordingError, match="1 events could not be written"):
        await recorder.close()


async def test_a_slow_disk_leaves_out_agents_events_only(tmp_path: Path) -> None:
    """Above the limit tool calls are left out and counted; everything else is kept."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    call = AgentSaid(at=1.0, node="a", turn="turn-1", event=ToolStarted("1", "Read", "x" * 20_000))
    blocker = sqlite3.connect(folder.journal, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for number in range(1000):
        recorder.note(call)
        if number % 100 == 0:
            recorder.note(warned(number))
    blocker.execute("ROLLBACK")
    blocker.close()
    await recorder.commit(warned(1000))
    recorder.note(call)
    await recorder.close()
    events = recorded(folder)
    kept = sum(isinstance(event, AgentSaid) for event in events)
    assert 500 < kept < 1000
    told = Warned(1.0, f"the disk was too slow: {1001 - kept} events of agents were not recorded")
    assert {told, *(warned(number) for number in range(0, 1001, 100))} <= {
        event for event in events if isinstance(event, Warned)
    }


def test_only_what_was_paid_or_decided_waits_for_the_disk(tmp_path: Path) -> None:
    """``synchronous`` is FULL for turns, approvals and the end, NORMAL for the rest."""
    folder = new_run(tmp_path)
    database = JournalDatabase.open(folder, Origin.here("orchfile.py"))

    def synchronous() -> int:
        return int(database._connection.execute("PRAGMA synchronous").fetchone()[0])

    database.append([(warned(1), b"{}")], paid=False)
    assert synchronous() == 1
    database.append([(turn_ended(), b"{}")], paid=True)
    assert synchronous() == 2
    database.close()


async def test_results_turns_and_steps_are_indexed(tmp_path: Path) -> None:
    """A turn's row follows its events; a value has the digest by which inputs are compared."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    recorder.note(AttemptStarted(at=1.0, node="plan", attempt=1))
    recorder.note(turn_started())
    recorder.note(turn_ended())
    recorder.note(turn_started(turn="turn-2"))
    recorder.note(node_ended("plan", '{"x": 1}'))
    await recorder.commit(ApprovalGiven(at=5.0, node="approved", approved=True, by="max"))
    record = read_run(folder)
    first, second = record.turns
    assert (first.state, first.answer, first.cost_usd) == ("passed", '"hi"', 0.25)
    assert (first.session_id, first.usage.input_tokens, first.ended_seq) == ("s-1", 10, 3)
    assert (second.state, second.answer, second.ended_seq) == ("running", None, None)
    assert len(first.prompt_digest) == 64
    (result,) = record.results
    assert (result.node, result.value, result.is_instance) == ("plan", '{"x": 1}', False)
    assert result.value_digest is not None
    assert len(result.value_digest) == 64
    await recorder.close()


async def test_a_reader_at_the_end_does_no_harm(tmp_path: Path) -> None:
    """With someone reading, the journal stays in WAL mode and is complete all the same."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    await recorder.commit(warned(1))
    with snapshot(folder) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] == 1
        await recorder.commit(warned(2))
        await recorder.close()
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] == 1
    assert recorded(folder) == [warned(1), warned(2)]


async def test_a_bug_reaches_whoever_waits(tmp_path: Path) -> None:
    """What is neither the disk nor the database is raised as it is; nobody hangs."""
    recorder = opened(new_run(tmp_path))
    no_integer = 2**70  # more than SQLite stores
    with pytest.raises(OverflowError):
        await recorder.commit(replace(turn_started(), attempt=no_integer))
    with pytest.raises(RecordingError, match="1 events could not be written"):
        await recorder.close()


async def test_a_journal_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """Neither a folder in its place nor a missing run folder is a traceback, and the lock is free."""
    folder = new_run(tmp_path)
    folder.journal.mkdir()
    with pytest.raises(RecordingError, match="cannot be opened") as caught:
        opened(folder)
    assert caught.value.code == "journal-unopened"
    folder.journal.rmdir()
    await opened(folder).close()
    shutil.rmtree(folder.path)
    with pytest.raises(RecordingError, match="No such file"):
        opened(folder)


async def test_parameters_that_are_not_unicode_are_recorded(tmp_path: Path) -> None:
    """Also inside mappings and lists."""
    folder = new_run(tmp_path)
    recorder = opened(folder)
    started = RunStarted(
        at=1.0, run=folder.id, orchfile="x.py", jobs=1, nodes=(), parameters={"a": "\udc80"}
    )
    await recorder.commit(started)
    await recorder.close()
    assert recorded(folder) == [replace(started, parameters={"a": "\\udc80"})]


async def test_what_comes_while_the_writer_closes_is_written(tmp_path: Path) -> None:
    """An event that is handed over in the moment of the end, while an earlier group is written."""
    folder = new_run(tmp_path)
    for number in range(20):
        recorder = opened(folder)
        await recorder.commit(node_ended(f"first-{number}"))
        recorder.note(node_ended(f"last-{number}"))
        await recorder.close()
    names = {one.node for one in read_run(folder).results}
    assert names == {f"{name}-{number}" for number in range(20) for name in ("first", "last")}
