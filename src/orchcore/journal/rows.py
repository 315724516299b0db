"""What an event changes in the journal's tables. Pure: events in, rows and statements out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import NamedTuple, cast

from pydantic_core import PydanticSerializationError

from orchcore.events import (
    AgentSaid,
    ApprovalGiven,
    Event,
    FinalGiven,
    InstanceEnded,
    NodeEnded,
    NoticeGiven,
    RunEnded,
    SessionStarted,
    SubStepEnded,
    SubStepStarted,
    TextWritten,
    ThinkingWritten,
    TurnEnded,
    TurnStarted,
    event_from_json,
    event_json,
)

type Cell = str | bytes | int | float | None

_EVENT_VALUES = "(?, ?, ?, ?, CAST(? AS TEXT))"  # the body's bytes are stored as they are

_TURN_STARTED = """
INSERT INTO turns (started_seq, node, attempt, turn, parent, agent, adapter, model,
                   prompt_digest, folder, session_id, state, started_at, key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, nullif(?, ''))
"""
_TURN_ENDED = """
UPDATE turns SET ended_seq = ?, state = ?, session_id = coalesce(?, session_id),
       input_tokens = ?, output_tokens = ?, cached_input_tokens = ?, cost_usd = ?,
       simulated = ?, ended_at = ?
WHERE started_seq = (SELECT max(started_seq) FROM turns
                     WHERE node = ? AND attempt = ? AND turn = ?)
"""
_STEP_STARTED = """
INSERT INTO steps (started_seq, node, attempt, path, step, label, state, started_at, key)
VALUES (?, ?, ?, ?, ?, ?, 'running', ?, nullif(?, ''))
"""
_STEP_ENDED = """
UPDATE steps SET ended_seq = ?, state = ?, exit_code = ?, ended_at = ?
WHERE started_seq = (SELECT max(started_seq) FROM steps
                     WHERE node = ? AND attempt = ? AND path = ?)
"""
_RESULT = """
INSERT INTO results (ended_seq, node, is_instance, attempt, state, value_digest, ended_at, key)
VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, ''))
"""
_RUN_ENDED = """
UPDATE processes SET ended_at = ?, exit_code = ?
WHERE number = (SELECT max(number) FROM processes)
"""


class Change(NamedTuple):
    """One statement on the tables beside ``events``."""

    sql: str
    cells: tuple[Cell, ...]


def is_recorded(event: Event) -> bool:
    """Whether the journal keeps *event*.

    What an agent writes and thinks is in its transcript, by far the largest part of a run; the
    journal keeps sessions, tool calls, usage, limits and notices, which tell the story.
    """
    match event:
        case AgentSaid(event=TextWritten() | ThinkingWritten() | FinalGiven()):
            return False
        case AgentSaid(event=NoticeGiven(text="")):
            return False
        case _:
            return True


def is_droppable(event: Event) -> bool:
    """Whether *event* may be left out, and counted, when the disk cannot keep up."""
    return isinstance(event, AgentSaid) and not isinstance(event.event, SessionStarted)


def is_paid(event: Event) -> bool:
    """Whether *event* cost money or a person's decision: it must survive a power loss."""
    return isinstance(event, TurnEnded | ApprovalGiven | RunEnded)


def storable(event: Event) -> tuple[Event, bytes]:
    """*event* and its JSON, with what is not Unicode (half a surrogate pair) written as escapes.

    Arguments and file names that are not UTF-8 come in with such characters.
    """
    try:
        return event, event_json(event)
    except PydanticSerializationError:
        mended = event_from_json(json.dumps(_unicode(asdict(event))))
        return mended, event_json(mended)


def event_cells(seq: int, event: Event, body: bytes) -> tuple[Cell, ...]:
    """The row of ``events``."""
    return (seq, event.at, event.kind, getattr(event, "node", ""), body)


def insert_events(rows: int) -> str:
    """The statement that adds so many rows to ``events`` at once."""
    values = ", ".join([_EVENT_VALUES] * rows)
    return f"INSERT INTO events (seq, at, kind, node, body) VALUES {values}"  # noqa: S608  no input


def change_of(seq: int, event: Event) -> Change | None:
    """What *event* with the number *seq* changes in the other tables, if anything."""
    match event:
        case TurnStarted() | TurnEnded():
            return _turn_change(seq, event)
        case SubStepStarted() | SubStepEnded():
            return _step_change(seq, event)
        case InstanceEnded() | NodeEnded():
            is_instance = isinstance(event, InstanceEnded)
            told = (seq, event.node, is_instance, event.attempt, event.state)
            value_digest = None if event.value is None else digest(event.value)
            return Change(_RESULT, (*told, value_digest, event.at, event.key))
        case RunEnded():
            return Change(_RUN_ENDED, (event.at, event.exit_code))
        case _:
            return None


def digest(text: str) -> str:
    """SHA-256 of *text* in hexadecimal: how values and prompts are compared."""
    return sha256(text.encode("utf-8")).hexdigest()


def _turn_change(seq: int, event: TurnStarted | TurnEnded) -> Change:
    named = (event.node, event.attempt, event.turn)
    if isinstance(event, TurnStarted):
        asked = (event.agent, event.adapter, event.model, digest(event.prompt))
        place = (event.folder, event.session_id, event.at, event.key)
        return Change(_TURN_STARTED, (seq, *named, event.parent, *asked, *place))
    usage = event.usage
    tokens = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
    outcome = (_work_state(event), event.session_id)
    return Change(
        _TURN_ENDED,
        (seq, *outcome, *tokens, event.cost_usd, event.simulated, event.at, *named),
    )


def _step_change(seq: int, event: SubStepStarted | SubStepEnded) -> Change:
    named = (event.node, event.attempt, event.path)
    if isinstance(event, SubStepStarted):
        return Change(_STEP_STARTED, (seq, *named, event.step, event.label, event.at, event.key))
    ended = (_work_state(event), event.exit_code, event.at)
    return Change(_STEP_ENDED, (seq, *ended, *named))


def _work_state(event: TurnEnded | SubStepEnded) -> str:
    return "failed" if event.failure else "passed"


def _unicode(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return {_unicode(name): _unicode(item) for name, item in pairs}
        case list() | tuple():
            return [_unicode(item) for item in cast("Sequence[object]", value)]
        case _:
            return value
