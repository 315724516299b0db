"""Whether every agent that a plan names can do what is asked of it, before anything starts."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchcore.agents.adapters.finder import installed
from orchcore.agents.adapters.protocol import Adapter
from orchcore.declarations.edges import Each, Marker, Maybe, Use
from orchcore.declarations.sources import FanSession, Session
from orchcore.errors import Location, OrchcoreError, Problem, UsageError
from orchcore.execution.choosing import AgentBook
from orchcore.planning.plan import NodeOptions, Plan, PlannedNode


def ensure_agents(plan: Plan, adapters: Mapping[str, Adapter], environ: Mapping[str, str]) -> None:
    """Refuses *plan* if an agent is unknown, not installed, or cannot do what is asked.

    Agents that are only known during the run (``use`` of a phase's result) are checked then.

    Raises:
        UsageError: With every problem.
    """
    book = AgentBook(plan, adapters)
    problems: dict[Problem, None] = {}
    for options, asked, where, forks in _users(plan):
        for name in asked:
            problems.update(dict.fromkeys(_problems(book, name, options, (where, forks, environ))))
    if problems:
        raise UsageError(*problems)


type _User = tuple[NodeOptions, tuple[str | None, ...], Location, bool]


def _users(plan: Plan) -> Iterator[_User]:
    """Every node and step with an agent: its options, the agents it names, where, if it forks."""
    for node in plan.nodes:
        if node.role == "agent" and not _continues(node):
            yield node.options, _names(node.options.cli, node), node.where, False
        elif node.role == "agent":
            upstream = tuple(_names(o.options.cli, o) for o in _sources_of(node, plan))
            for names in upstream:
                yield node.options, names, node.where, node.forks
    for step, options in plan.steps.items():
        if step.spec.role == "agent" and isinstance(options.cli, str):
            yield options, (options.cli,), step.declared_at, False


def _names(cli: object, node: PlannedNode) -> tuple[str | None, ...]:
    if isinstance(cli, Each) and node.fan is not None:
        found = [axis.items for axis in node.fan.axes if axis.edge is cli]
        return tuple(str(item) for items in found for item in items)
    if isinstance(cli, Marker):
        return ()
    return (cli if isinstance(cli, str) else None,)


def _session_edges(node: PlannedNode) -> Iterator[object]:
    for wire in node.wires:
        if isinstance(wire.edge, Use | Maybe | Each):
            source: Any = wire.edge.source
            if isinstance(source, Session | FanSession):
                yield source.source


def _continues(node: PlannedNode) -> bool:
    return next(_session_edges(node), None) is not None


def _sources_of(node: PlannedNode, plan: Plan) -> Iterator[PlannedNode]:
    wanted = list(_session_edges(node))
    yield from (other for other in plan.nodes if any(other.declared is w for w in wanted))


def _problems(
    book: AgentBook,
    asked: str | None,
    options: NodeOptions,
    facts: tuple[Location, bool, Mapping[str, str]],
) -> Iterator[Problem]:
    where, forks, environ = facts
    try:
        name = book.name_for(asked)
        adapter, settings = book.adapter_of(name)
    except OrchcoreError as error:
        yield from error.problems
        return
    program = settings.program
    missing = (adapter.program or program) and not installed(adapter, environ.get("PATH"), program)
    if missing:
        message = f"agent '{name}' is not installed: no '{program or adapter.program}' in PATH"
        yield Problem("not-installed", message, None, ("see what is:   orchcore agents",))
    able = adapter.capabilities
    wanted = {
        "tools": (options.tools is not None, able.tools),
        "max_turns": (options.max_turns is not None, able.max_turns),
        "session": (forks, able.fork),
    }
    for what, (needed, can) in wanted.items():
        if needed and not can:
            verb = "fork a conversation" if what == "session" else f"take {what}="
            message = f"agent '{name}' cannot {verb}"
            yield Problem("unsupported-option", message, where, ("choose another agent",))
