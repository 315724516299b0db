"""A plan as text, for people and for programs: list, Mermaid, Graphviz, JSON."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from orchcore.declarations.edges import UNSET
from orchcore.declarations.sources import Condition
from orchcore.planning import facts
from orchcore.planning.annotations import shown
from orchcore.planning.plan import Fan, ParameterSpec, Plan, PlannedNode
from orchcore.planning.selection import known_instances

type Format = Literal["text", "mermaid", "dot", "json"]

SCHEMA_VERSION = 1
"""Counts the breaking changes of the JSON form."""

_MERMAID_SAFE = re.compile(r"[^\w .,:/()*=+-]")
_MERMAID_SHAPES = {"phase": ("[", "]"), "agent": ("(", ")"), "gate": ("{{", "}}")}
_DOT_SHAPES = {"phase": "box", "agent": 'box, style="rounded"', "gate": "diamond"}


def draw(plan: Plan, form: Format) -> str:
    """*plan* in one of the forms, with its last line end.

    ``mermaid`` and ``dot`` show what waits for what; dashed edges lead to nodes with a condition.
    """
    return _FORMS[form](plan)


def text(plan: Plan) -> str:
    """One line per node, upstream first: id, agent, what it needs, instances, condition, place."""
    rows = [
        (
            facts.one_line(node.id),
            facts.role_text(node, plan),
            _joined(
                facts.needs_text(node),
                facts.instances_text(node, plan),
                facts.parallel_text(node),
                facts.when_text(node),
                f"tags {', '.join(map(facts.one_line, node.options.tags))}"
                if node.options.tags
                else "",
                "optional" if node.options.optional else "",
            ),
            str(node.where),
        )
        for node in plan.nodes
    ]
    return columns(rows)


def listing(plan: Plan) -> str:
    """One line per node: id, agent, instances, and the first line of its docstring."""
    rows = [
        (
            facts.one_line(node.id),
            facts.role_text(node, plan),
            facts.instances_text(node, plan),
            _summary(node),
        )
        for node in plan.nodes
    ]
    return columns(rows)


def mermaid(plan: Plan) -> str:
    """A Mermaid flowchart. Nodes have numbers, because Mermaid reserves many words."""
    numbers = {node.id: f"n{index}" for index, node in enumerate(plan.nodes)}
    lines = ["flowchart TD"]
    for node in plan.nodes:
        opens, closes = _MERMAID_SHAPES[node.role]
        label = "<br/>".join(_mermaid_text(line) for line in _label(node, plan))
        lines.append(f'    {numbers[node.id]}{opens}"{label}"{closes}')
    for node in plan.nodes:
        arrow = "-.->" if isinstance(node.when, Condition) else "-->"
        lines += [
            f"    {numbers[need]} {arrow} {numbers[node.id]}" for need in _drawn_needs(node, plan)
        ]
    return "\n".join(lines) + "\n"


def dot(plan: Plan) -> str:
    """A Graphviz digraph; nodes are named by their ids."""
    lines = ["digraph orchfile {", "    rankdir=TB;"]
    for node in plan.nodes:
        label = r"\n".join(_dot_text(line) for line in _label(node, plan))
        lines.append(
            f'    "{_dot_text(node.id)}" [label="{label}", shape={_DOT_SHAPES[node.role]}];'
        )
    for node in plan.nodes:
        style = " [style=dashed]" if isinstance(node.when, Condition) else ""
        lines += [
            f'    "{_dot_text(need)}" -> "{_dot_text(node.id)}"{style};'
            for need in _drawn_needs(node, plan)
        ]
    return "\n".join([*lines, "}"]) + "\n"


def as_json(plan: Plan) -> str:
    """The plan for programs; ``schema_version`` counts breaking changes."""
    data = {
        "schema_version": SCHEMA_VERSION,
        "orchfile": str(plan.orchfile),
        "jobs": plan.jobs,
        "parameters": [_parameter(spec) for spec in plan.specs],
        "nodes": [_node(node, plan) for node in plan.nodes],
    }
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """*rows* as aligned columns, two blanks apart; the last one is not padded."""
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines)


_FORMS: Mapping[Format, Callable[[Plan], str]] = {
    "text": text,
    "mermaid": mermaid,
    "dot": dot,
    "json": as_json,
}


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _summary(node: PlannedNode) -> str:
    asks = f"asks a person to approve {', '.join(node.needs)}"
    written = node.declared.__doc__ if node.role != "gate" else asks
    return facts.one_line((written or "").strip().partition("\n")[0])


def _label(node: PlannedNode, plan: Plan) -> Iterable[str]:
    lines = (
        node.id,
        facts.role_text(node, plan),
        facts.instances_text(node, plan),
        facts.when_text(node),
    )
    return filter(None, map(facts.one_line, lines))


def _drawn_needs(node: PlannedNode, plan: Plan) -> list[str]:
    drawn = {other.id for other in plan.nodes}
    return [need for need in node.needs if need in drawn]


def _mermaid_text(line: str) -> str:
    return _MERMAID_SAFE.sub(lambda found: f"#{ord(found[0])};", line)


def _dot_text(line: str) -> str:
    return facts.one_line(line).replace("\\", "\\\\").replace('"', '\\"')


def _node(node: PlannedNode, plan: Plan) -> Mapping[str, object]:
    return {
        "id": node.id,
        "role": node.role,
        "agent": facts.agent_of(node, plan) or None,
        "model": facts.model_of(node, plan) or None,
        "needs": list(node.needs),
        "fan": _fan(node, node.fan) if node.fan is not None else None,
        "when": str(node.when) if isinstance(node.when, Condition) else node.when,
        "tags": list(node.options.tags),
        "optional": node.options.optional,
        "timeout_s": node.options.timeout_s,
        "idle_s": node.options.idle_s,
        "retries": node.options.retries,
        "where": {"file": str(node.where.path), "line": node.where.line},
    }


def _fan(node: PlannedNode, fan: Fan) -> Mapping[str, object]:
    known = known_instances(node)
    return {
        "parallel": None if node.role == "gate" else fan.parallel,
        "instances": None if known is None else list(known),
        "quorum": fan.quorum,
        "fail_fast": fan.fail_fast,
        "only": list(fan.only),
    }


def _parameter(spec: ParameterSpec) -> Mapping[str, object]:
    hidden = spec.secret or spec.default is UNSET
    return {
        "name": spec.name,
        "type": shown(spec.annotation),
        "required": spec.default is UNSET,
        "default": None if hidden else _storable(spec.default),
        "many": spec.many,
        "secret": spec.secret,
        "env": spec.env or None,
        "help": spec.help or None,
        "users": list(spec.users),
    }


def _storable(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(type(value)).dump_python(value, mode="json")
    except Exception:  # noqa: BLE001  a user's type may raise anything; its text is enough
        return repr(value)
