"""What a run would do: the table of ``orchcore plan``."""

from collections.abc import Mapping
from types import MappingProxyType

from orchcore.declarations.edges import Each, Use
from orchcore.declarations.gates import Approval
from orchcore.declarations.nodes import Node
from orchcore.declarations.sources import (
    Condition,
    Either,
    FanSession,
    Picked,
    Session,
    Source,
)
from orchcore.planning import facts
from orchcore.planning.drawing import columns
from orchcore.planning.plan import Decision, Plan, PlannedNode

_NOTHING: Mapping[str, str] = MappingProxyType({})


def decisions(plan: Plan, cached: Mapping[str, str] = _NOTHING) -> tuple[Decision, ...]:
    """What will happen to each node as far as it is known now, in the plan's order.

    REUSE where *cached* says where a result is. SKIP where ``when`` is a parameter that says no,
    and where such a node's value is used. Conditions on values are decided during the run: RUN,
    and the reason says so.
    """
    skipped: dict[str, str] = {}
    found: list[Decision] = []
    for node in plan.nodes:
        if reason := _skip_reason(node, plan, skipped):
            skipped[node.id] = reason
            found.append(Decision(node.id, "SKIP", reason))
        elif reason := cached.get(node.id, ""):
            found.append(Decision(node.id, "REUSE", reason))
        else:
            found.append(Decision(node.id, "RUN", _run_reason(node)))
    return tuple(found)


def table(plan: Plan, cached: Mapping[str, str] = _NOTHING) -> str:
    """A header, one line per node with its decision, reason and limits, and what is not known."""
    by_id = {node.id: node for node in plan.nodes}
    rows = [
        (
            decision.action,
            facts.one_line(decision.node),
            facts.role_text(by_id[decision.node], plan),
            decision.reason,
            _limits(by_id[decision.node], plan),
        )
        for decision in decisions(plan, cached)
    ]
    kinds = "turn or command" if plan.jobs == 1 else "turns and commands"
    agents_at_once = f"at most {plan.jobs} {kinds} at once (-j)"
    return f"{columns(rows)}\n{agents_at_once}\nworst-case number of turns: {turns(plan)}\n"


def turns(plan: Plan) -> str:
    """How many turns of agents there can be; a number only if it is certain."""
    has_agents = any(node.role == "agent" for node in plan.nodes)
    if has_agents or any(step.spec.role == "agent" for step in plan.steps):
        return "unknown: a body may ask as often as it likes (loops are Python)"
    return "0: no phase here has an agent"


def _limits(node: PlannedNode, plan: Plan) -> str:
    parts = (facts.instances_text(node, plan), facts.parallel_text(node), facts.limits_text(node))
    return "; ".join(filter(None, parts))


def _run_reason(node: PlannedNode) -> str:
    if node.role == "gate":
        return f"asks a person; {facts.needs_text(node)}"
    if isinstance(node.when, Condition):
        return f"{facts.when_text(node)}, decided during the run"
    return facts.needs_text(node) or "starts at once"


def _skip_reason(node: PlannedNode, plan: Plan, skipped: dict[str, str]) -> str:
    if node.when is False:
        return f"its when= is a parameter that says no ({node.where})"
    edges = [wire.edge for wire in node.wires]
    sources = [edge.source for edge in edges if isinstance(edge, Use | Each)]
    sources += [*node.after, *_sources_of(node.when)]
    for source in sources:
        if by := _skipped_by(source, plan, skipped):
            return f"needs {facts.one_line(by)}, which is skipped"
    return ""


def _sources_of(when: Condition | bool) -> list[Source[object]]:
    """What a condition cannot do without: its leaf, or those joined by ``&`` or under ``~``."""
    if isinstance(when, bool) or when.op == "or":
        return []
    own = [when.source] if when.source is not None else []
    return own + [source for part in when.parts for source in _sources_of(part)]


def _skipped_by(source: object, plan: Plan, skipped: dict[str, str]) -> str:
    """The id of the skipped node because of which *source* has no value; empty if it has one."""
    match source:
        case Node() | Approval():
            id_ = plan.ids.get(source, "")
            return id_ if id_ in skipped else ""
        case Picked() | Session() | FanSession():
            return _skipped_by(source.source, plan, skipped)
        case Either():
            first = _skipped_by(source.first, plan, skipped)
            return first and _skipped_by(source.second, plan, skipped)
        case _:
            return ""
