"""What is left of a run's earlier processes: results that need not be paid for again."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchcore.errors import Problem, RecordingError
from orchcore.events import (
    InstanceEnded,
    NodeEnded,
    SubStepEnded,
    TurnEnded,
    TurnStarted,
    event_from_json,
)
from orchcore.journal.run_folder import RunFolder
from orchcore.journal.snapshot import snapshot

_TURNS = """
SELECT turns.key, begun.body AS begun, over.body AS over FROM turns
JOIN events AS begun ON begun.seq = turns.started_seq
LEFT JOIN events AS over ON over.seq = turns.ended_seq
WHERE turns.key IS NOT NULL ORDER BY turns.started_seq
"""
_STEPS = """
SELECT steps.key, events.body FROM steps JOIN events ON events.seq = steps.ended_seq
WHERE steps.key IS NOT NULL AND steps.state = 'passed' ORDER BY steps.ended_seq
"""
_RESULTS = """
SELECT results.node, results.key, results.state, events.body FROM results
JOIN events ON events.seq = results.ended_seq ORDER BY results.ended_seq
"""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn whose answer is there, valid or not."""

    begun: TurnStarted
    over: TurnEnded


@dataclass(frozen=True, slots=True)
class Past:
    """What the processes before this one left of a run.

    Attributes:
        processes: How many there were before this one.
        turns: By key: turns that answered, also those whose answer was not valid.
        cut: By key: turns of which no end is recorded, or that were ended by us.
        steps: By key: steps and commands that passed.
        results: By key: nodes and instances that gave a value.
        last: By id: how each node and instance ended last.
        begun: Ids of those of which an attempt was started.
    """

    processes: int = 0
    turns: Mapping[str, PastTurn] = field(default_factory=dict[str, PastTurn])
    cut: Mapping[str, TurnStarted] = field(default_factory=dict[str, TurnStarted])
    steps: Mapping[str, SubStepEnded] = field(default_factory=dict[str, SubStepEnded])
    results: Mapping[str, NodeEnded | InstanceEnded] = field(
        default_factory=dict[str, NodeEnded | InstanceEnded]
    )
    last: Mapping[str, NodeEnded | InstanceEnded] = field(
        default_factory=dict[str, NodeEnded | InstanceEnded]
    )
    begun: frozenset[str] = frozenset()


def read_past(folder: RunFolder) -> Past:
    """What is recorded of the run in *folder* that the process can build on that now writes it.

    Raises:
        RecordingError: Its journal is missing, damaged, foreign, or a newer orchcore's.
    """
    with snapshot(folder) as connection:
        turns, cut = _turns(connection)
        last, results = _results(connection)
        return Past(
            processes=_count(connection) - 1,
            turns=turns,
            cut=cut,
            steps=dict(_steps(connection)),
            results=results,
            last=last,
            begun=frozenset(_begun(connection)),
        )


def answered(over: TurnEnded) -> bool:
    """Whether the agent gave its answer, be it a valid one or not."""
    return over.failure is None or over.failure.kind == "invalid_output"


def _turns(connection: sqlite3.Connection) -> tuple[dict[str, PastTurn], dict[str, TurnStarted]]:
    turns: dict[str, PastTurn] = {}
    cut: dict[str, TurnStarted] = {}
    for row in connection.execute(_TURNS):
        begun = _event(row["begun"], TurnStarted)
        over = None if row["over"] is None else _event(row["over"], TurnEnded)
        if over is not None and answered(over):
            turns[row["key"]] = PastTurn(begun, over)
        elif over is None or (over.failure is not None and over.failure.kind == "cancelled"):
            cut[row["key"]] = begun
    return turns, cut


def _steps(connection: sqlite3.Connection) -> Iterator[tuple[str, SubStepEnded]]:
    for row in connection.execute(_STEPS):
        yield row["key"], _event(row["body"], SubStepEnded)


def _results(
    connection: sqlite3.Connection,
) -> tuple[dict[str, NodeEnded | InstanceEnded], dict[str, NodeEnded | InstanceEnded]]:
    last: dict[str, NodeEnded | InstanceEnded] = {}
    results: dict[str, NodeEnded | InstanceEnded] = {}
    for row in connection.execute(_RESULTS):
        event = _ended(row["body"])
        last[row["node"]] = event
        if row["key"] is not None and event.state in ("passed", "partial", "reused"):
            results[row["key"]] = event
    return last, results


def _begun(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute("SELECT DISTINCT node FROM events WHERE kind = 'attempt_started'")
    return (str(row["node"]) for row in rows)


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM processes").fetchone()[0])


def _ended(body: str) -> NodeEnded | InstanceEnded:
    event = event_from_json(body)
    return event if isinstance(event, InstanceEnded) else _event(body, NodeEnded)


def _event[E](body: str, kind: type[E]) -> E:
    event = event_from_json(body)
    if not isinstance(event, kind):
        raise RecordingError(Problem("journal-unreadable", f"the journal confuses {body[:80]}"))
    return event
