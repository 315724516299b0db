"""Reads recorded runs: finished, dead, or going on in another process.

Nothing here makes, changes or locks anything for longer than a read takes.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchcore.errors import Problem, RecordingError
from orchcore.events import (
    Event,
    InstanceEnded,
    NodeEnded,
    RunEnded,
    SubStepEnded,
    TurnEnded,
    event_from_json,
)
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.origin import is_locked
from orchcore.journal.record import (
    NumberedEvent,
    RecordedResult,
    RecordedStep,
    RecordedTurn,
    RunRecord,
    RunState,
    RunSummary,
)
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.snapshot import snapshot
from orchcore.results import NodeState, Usage, counted_states

_LAST_RESULTS = """
SELECT * FROM results WHERE ended_seq IN (SELECT max(ended_seq) FROM results GROUP BY node)
ORDER BY ended_seq
"""
_BILL = """
SELECT count(*) AS turns, count(*) - count(cost_usd) AS unpriced_turns,
       coalesce(sum(cost_usd), 0.0) AS cost_usd, coalesce(max(simulated), 0) AS simulated
FROM turns WHERE ended_seq IS NOT NULL
"""
_EVENTS = "SELECT seq, body FROM events ORDER BY seq"


def runs(project: ProjectFolder) -> list[RunSummary]:
    """All runs of *project*, those last started or resumed first.

    A run whose journal cannot be read is listed as ``unreadable``, with the reason.

    Raises:
        UsageError: The folder itself cannot be read.
    """
    return [_listed(folder) for folder in project.run_folders()]


def read_summary(folder: RunFolder) -> RunSummary:
    """The run in *folder* in a few numbers.

    Raises:
        RecordingError: Its journal is missing, damaged, foreign, or a newer orchcore's.
    """
    was_locked = is_locked(folder.lock)
    with snapshot(folder) as connection:
        summary = _summary(connection, folder)
    return replace(summary, state=_state(summary, folder, was_locked=was_locked))


def read_run(folder: RunFolder) -> RunRecord:
    """Everything recorded of the run in *folder*, as of one moment.

    Raises:
        RecordingError: Its journal is missing, damaged, foreign, or a newer orchcore's.
    """
    was_locked = is_locked(folder.lock)
    with snapshot(folder) as connection:
        summary = _summary(connection, folder)
        events = _events(connection)
        results = connection.execute(_LAST_RESULTS).fetchall()
        turns = connection.execute("SELECT * FROM turns ORDER BY started_seq").fetchall()
        steps = connection.execute("SELECT * FROM steps ORDER BY started_seq").fetchall()
    by_seq = {numbered.seq: numbered.event for numbered in events}
    return RunRecord(
        summary=replace(summary, state=_state(summary, folder, was_locked=was_locked)),
        events=events,
        results=tuple(_result(row, by_seq) for row in results),
        turns=tuple(_turn(row, by_seq) for row in turns),
        steps=tuple(_step(row, by_seq) for row in steps),
    )


def read_turns(folder: RunFolder) -> tuple[RecordedTurn, ...]:
    """The turns of the run in *folder*, without their answers.

    Raises:
        RecordingError: Its journal is missing, damaged, foreign, or a newer orchcore's.
    """
    with snapshot(folder) as connection:
        rows = connection.execute("SELECT * FROM turns ORDER BY started_seq").fetchall()
    return tuple(_turn(row, {}) for row in rows)


def _listed(folder: RunFolder) -> RunSummary:
    try:
        return read_summary(folder)
    except RecordingError as error:
        return RunSummary(folder, "unreadable", reason=error.problems[0].message)


def _state(summary: RunSummary, folder: RunFolder, *, was_locked: bool) -> RunState:
    if summary.state == "ended":
        return "ended"
    # Looked at before and after the read: a run may end, or be resumed, in between.
    return "running" if was_locked or is_locked(folder.lock) else "died"


def _summary(connection: sqlite3.Connection, folder: RunFolder) -> RunSummary:
    meta = connection.execute("SELECT orchfile, created_at FROM meta").fetchone()
    processes = connection.execute("SELECT * FROM processes ORDER BY number").fetchall()
    if meta is None or not processes:
        raise sqlite3.DatabaseError("its first rows are missing")
    last, bill = processes[-1], connection.execute(_BILL).fetchone()
    end = None if last["ended_at"] is None else _end(connection)
    return RunSummary(
        folder,
        "died" if last["ended_at"] is None else "ended",
        orchfile=meta["orchfile"],
        argv=tuple(json.loads(last["argv"])),
        cwd=Path(last["cwd"]),
        pid=last["pid"],
        pid_started=last["pid_started"],
        processes=len(processes),
        started_at=processes[0]["started_at"],
        resumed_at=last["started_at"],
        worked_s=sum(_worked_s(connection, *pair) for pair in pairwise(processes)),
        ended_at=last["ended_at"],
        last_at=max(last["started_at"], _last_at(connection)),
        exit_code=last["exit_code"],
        states=dict(end.states) if end else _states_so_far(connection),
        cost_usd=bill["cost_usd"],
        turns=bill["turns"],
        unpriced_turns=bill["unpriced_turns"],
        simulated=bool(bill["simulated"]),
        faults=end.faults if end else (),
    )


def _worked_s(connection: sqlite3.Connection, process: sqlite3.Row, later: sqlite3.Row) -> float:
    """How long *process* worked, which was followed by a *later* one."""
    ended_at = process["ended_at"]
    if ended_at is None:  # it died: the last that it told
        last = "SELECT MAX(at) AS at FROM events WHERE at BETWEEN ? AND ?"
        between = process["started_at"], later["started_at"]
        ended_at = connection.execute(last, between).fetchone()["at"]
    return max(0.0, float(ended_at or 0.0) - float(process["started_at"]))


def _last_at(connection: sqlite3.Connection) -> float:
    row = connection.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return 0.0 if row is None else float(row["at"])


def _end(connection: sqlite3.Connection) -> RunEnded | None:
    row = connection.execute(
        "SELECT body FROM events WHERE kind = 'run_ended' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    event = _event(row["body"])
    return event if isinstance(event, RunEnded) else None


def _states_so_far(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute(_LAST_RESULTS).fetchall()
    own: dict[str, NodeState] = {}
    instances: defaultdict[str, list[NodeState]] = defaultdict(list)
    for row in rows:
        if row["is_instance"]:
            instances[row["node"].partition(":")[0]].append(row["state"])
        else:
            own[row["node"]] = row["state"]
    counted: Counter[str] = Counter()
    for node in own.keys() | instances.keys():
        counted.update(counted_states(own.get(node, "running"), instances[node]))
    return dict(counted)


def _events(connection: sqlite3.Connection) -> tuple[NumberedEvent, ...]:
    rows = connection.execute(_EVENTS)
    return tuple(NumberedEvent(row["seq"], _event(row["body"])) for row in rows)


def _event(body: str) -> Event:
    try:
        return event_from_json(body)
    except ValidationError as error:
        problem = Problem(
            "journal-unreadable",
            f"the journal holds an event that this version does not know: {body[:80]}",
            hints=("use the version of orchcore that wrote it",),
        )
        raise RecordingError(problem) from error


def _result(row: sqlite3.Row, events: Mapping[int, Event]) -> RecordedResult:
    event = events.get(row["ended_seq"])
    value = event.value if isinstance(event, InstanceEnded | NodeEnded) else None
    cells = _cells(row)
    cells |= {"is_instance": bool(row["is_instance"]), "value": value}
    return RecordedResult(**cells)


def _turn(row: sqlite3.Row, events: Mapping[int, Event]) -> RecordedTurn:
    cells = _cells(row)
    tokens = ("input_tokens", "output_tokens", "cached_input_tokens")
    usage = Usage(*(cells.pop(name) for name in tokens))
    event = events.get(row["ended_seq"] or 0)
    cells["answer"] = event.answer if isinstance(event, TurnEnded) else None
    cells |= {"usage": usage, "simulated": bool(row["simulated"])}
    return RecordedTurn(**cells)


def _step(row: sqlite3.Row, events: Mapping[int, Event]) -> RecordedStep:
    event = events.get(row["ended_seq"] or 0)
    value = event.value if isinstance(event, SubStepEnded) else None
    return RecordedStep(**_cells(row), value=value)


def _cells(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in row.keys() if name != "key_parts"}  # noqa: SIM118
