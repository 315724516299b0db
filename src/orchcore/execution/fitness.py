"""Whether every agent that a plan names can do what is asked of it, before anything starts."""

from collections.abc import Iterator, Mapping

from orchcore.agents.adapters.finder import installed
from orchcore.agents.adapters.protocol import Adapter
from orchcore.collection.reach import conversations
from orchcore.declarations.edges import Each, Marker, Maybe, Use
from orchcore.errors import Location, OrchcoreError, Problem, UsageError
from orchcore.execution.choosing import AgentBook
from orchcore.planning.drafting import CONVERSATION
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
    """Every node and step with an agent: its options, the agents it has, where, if it forks."""
    agents: dict[object, tuple[str | None, ...]] = {}
    for node in plan.nodes:  # each after those whose conversations it goes on with
        own = _asked(node, agents, _names(node.options.cli, node))
        agents[node.declared] = own
        handed = [
            name
            for wire in node.wires
            if wire.parameter != CONVERSATION
            for name in _continued(wire.edge, agents)
        ]
        yield node.options, tuple(dict.fromkeys((*own, *handed))), node.where, node.forks
    for step, options in plan.steps.items():
        if step.spec.role == "agent" and isinstance(options.cli, str):
            yield options, (options.cli,), step.declared_at, False


def _asked(
    node: PlannedNode,
    agents: Mapping[object, tuple[str | None, ...]],
    named: tuple[str | None, ...],
) -> tuple[str | None, ...]:
    """The agents of *node* itself: those of the conversation it goes on with, or its own."""
    if node.role != "agent":
        return ()
    for wire in node.wires:
        if wire.parameter == CONVERSATION:
            return _continued(wire.edge, agents)
    return named


def _continued(
    edge: object, agents: Mapping[object, tuple[str | None, ...]]
) -> tuple[str | None, ...]:
    if not isinstance(edge, Use | Maybe | Each):
        return ()
    return tuple(name for one in conversations(edge.source) for name in agents.get(one, ()))


def _names(cli: object, node: PlannedNode) -> tuple[str | None, ...]:
    if isinstance(cli, Each) and node.fan is not None:
        found = [axis.items for axis in node.fan.axes if axis.edge is cli]
        return tuple(str(item) for items in found for item in items)
    if isinstance(cli, Marker):
        return ()
    return (cli if isinstance(cli, str) else None,)


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
