"""The tables of docs/reference/events.md, made from the event classes themselves."""

import dataclasses
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from orchcore import events
from orchcore.results import Failure, FailureKind, NodeState, Usage

_COMMON = {
    "adapter": "How its CLI is spoken to.",
    "agent": "Its configured name.",
    "approved": "Yes or no.",
    "at": "Unix time, seconds.",
    "attempt": "From 1.",
    "attempts": "How many there may be.",
    "by": "Who answered.",
    "call_id": "Ties start and end together.",
    "cause": "Why, where that is known.",
    "cost_usd": "`null`: unknown.",
    "count": "How often so far.",
    "delay_s": "Seconds.",
    "denied": "Whether it was not allowed to run.",
    "detail": "For a person; its first line stands alone.",
    "duration_s": "Seconds.",
    "event": "One of the agent events below.",
    "exit_code": "Negative for a signal.",
    "failure": "`null` if there is none.",
    "folder": "Where the transcript of its last turn is.",
    "forced": "Whether it was asked for again: what is being ended is killed.",
    "instances": "Their ids, in order.",
    "kind": "The class of failure.",
    "label": "The step's name, or the command line.",
    "last_line": "What it said last.",
    "limit_s": "Seconds.",
    "model": "`null`: the CLI's own choice.",
    "name": "The tool's name.",
    "node": "Id of a node or an instance.",
    "nodes": "Every node of the plan.",
    "ok": "As the CLI says.",
    "optional": "Whether its failure leaves the run green.",
    "orchfile": "Its path.",
    "parameters": "By name, as text; secrets are masked.",
    "parent": "The conversation that goes on or is branched.",
    "partial": "Whether it is a piece of a message.",
    "path": "`pytest#1`: unique within the attempt.",
    "prompt": "What the agent is told.",
    "question": "What the person is asked.",
    "reason": "For people.",
    "resets_at": "Unix time, seconds.",
    "run": "The run's id.",
    "schema_version": "Counts the breaking changes of this page.",
    "session_id": "The conversation's id at the CLI.",
    "silent_s": "Seconds.",
    "simulated": "Whether the demo agent had a part in it.",
    "state": "How it ended.",
    "status": "As the CLI says.",
    "step": "Which of the two.",
    "summary": "One line of its input.",
    "text": "For people.",
    "tool": "The tool's name.",
    "turn": "`turn-1`, `turn-2`, ...: unique within the attempt.",
    "turns": "Turns that ended.",
    "unpriced_turns": "Turns of unknown price among them.",
    "usage": "Tokens.",
    "value": "JSON.",
    "version": "The CLI's.",
    "warnings": "What a person should know although the turn counts.",
}
_NAMED = {NodeState: "state", FailureKind: "failure kind", events.AgentEvent: "agent event"}
_PLAIN = {str: "string", float: "number", int: "integer", bool: "boolean", type(None): "null"}


def tables() -> str:
    """One section per class, in the order of the unions."""
    lines = ["\n## Events of a run\n"]
    for event in get_args(events.Event.__value__):
        lines += _section(event, f"`{_kind(event)}`")
    lines.append("## Agent events\n\nThe `event` of an `agent_said`.\n")
    for event in get_args(events.AgentEvent.__value__):
        lines += _section(event, f"`{_kind(event)}` (agent)")
    lines.append("## Values in events\n")
    for value in (events.NodeDrawn, Failure, Usage):
        lines += _section(value, value.__name__)
    kinds = ", ".join(f"`{kind}`" for kind in get_args(FailureKind.__value__))
    states = ", ".join(f"`{state}`" for state in get_args(NodeState.__value__))
    lines += [f"A *state* is one of {states}.\n", f"A *failure kind* is one of {kinds}.\n"]
    return "\n".join(lines)


def _kind(event: Any) -> str:
    fields: Mapping[str, Any] = {field.name: field for field in dataclasses.fields(event)}
    return str(fields["kind"].default)


def _section(cls: Any, title: str) -> Iterator[str]:
    about, meanings = _docstring(cls)
    if cls is events.NodeEnded:
        meanings = _docstring(events.InstanceEnded)[1]
    yield f"### {title}\n\n{about}\n"
    yield "| field | type | meaning |\n| --- | --- | --- |"
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.name != "kind" or cls is Failure:
            meaning = meanings.get(field.name, _COMMON.get(field.name, ""))
            yield f"| `{field.name}` | {_shown(hints[field.name])} | {meaning} |"
    yield ""


def _docstring(cls: Any) -> tuple[str, dict[str, str]]:
    text = "\n".join(line.strip() for line in (cls.__doc__ or "").splitlines())
    about, _, attributes = text.partition("Attributes:")
    entries = re.split(r"\n(?=[a-z_]+: )", attributes.strip())
    pairs = (entry.partition(": ") for entry in entries if entry)
    meanings = {name.strip(): _one_line(meaning) for name, _, meaning in pairs}
    return _one_line(about), meanings


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("`None`", "`null`").replace("|", "\\|")


def _shown(annotation: Any) -> str:
    for known, name in _NAMED.items():
        if annotation is known:
            return name
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_shown, args))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin is tuple:
        return f"list of {_shown(args[0])}"
    return "object" if args else str(annotation.__name__)
