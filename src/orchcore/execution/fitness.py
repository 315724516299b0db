"""Whether every agent that a plan names can do what is asked of it, before anything starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from orchcore.agents.adapters.finder import installed, lacking
from orchcore.agents.adapters.protocol import Adapter
from orchcore.collection.reach import conversations
from orchcore.declarations.edges import Each, Marker, Maybe, Use
from orchcore.errors import Location, OrchcoreError, Problem, UsageError
from orchcore.execution.abilities import FORK, RESUME, Ability
from orchcore.execution.asking import Asked, invocation_of
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
    for user in _users(plan):
        for name in user.asked:
            problems.update(dict.fromkeys(_problems(book, name, user, environ.get("PATH"))))
    if problems:
        raise UsageError(*problems)


def ensure_priced(plan: Plan, adapters: Mapping[str, Adapter]) -> None:
    """Refuses *plan* if it names an agent of whose turns no price can be known.

    Raises:
        UsageError: With every such agent.
    """
    problems = unpriced(plan, adapters)
    if problems:
        raise UsageError(*problems)


def unpriced(plan: Plan, adapters: Mapping[str, Adapter]) -> tuple[Problem, ...]:
    """Agents of *plan* of whose turns no price can be known.

    Raises:
        UsageError: An agent is unknown.
    """
    book = AgentBook(plan, adapters)
    problems: dict[Problem, None] = {}
    for user in _users(plan):
        for asked in user.asked:
            name = book.name_for(asked)
            adapter, settings = book.adapter_of(name)
            if adapter.capabilities.money == "nothing" and settings.prices is None:
                hint = f"tell its prices:   [agents.{name}.prices]   input = 2.0   output = 8.0"
                message = f"agent '{name}' cannot be priced: no budget counts its turns"
                problems[Problem("unpriced", message, user.where, (hint,))] = None
    return tuple(problems)


@dataclass(frozen=True, slots=True)
class _User:
    """A node or step with an agent.

    Attributes:
        options: What it says.
        asked: The agents' names; ``None`` for the default one.
        where: Its place.
        talk: What they must be able to do to a conversation that goes on in it.
    """

    options: NodeOptions
    asked: tuple[str | None, ...]
    where: Location
    talk: tuple[Ability, ...] = ()


def _users(plan: Plan) -> Iterator[_User]:
    agents: dict[object, tuple[str | None, ...]] = {}
    for node in plan.nodes:  # each after those whose conversations it goes on with
        own = _asked(node, agents, _names(node.options.cli, node))
        agents[node.declared] = own
        handed = {
            name: None
            for wire in node.wires
            if wire.parameter != CONVERSATION
            for name in _continued(wire.edge, agents)
        }
        goes_on = any(wire.parameter == CONVERSATION for wire in node.wires)
        talk = (FORK if node.forks else RESUME,)
        yield _User(node.options, own, node.where, talk if goes_on else ())
        yield _User(node.options, node.options.fallback, node.where)
        yield _User(node.options, tuple(handed), node.where, talk)
    for step, options in plan.steps.items():
        if step.spec.role == "agent" and isinstance(options.cli, str):
            yield _User(options, (options.cli,), step.declared_at)
        yield _User(options, options.fallback, step.declared_at)


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


def _named(argv: tuple[str, ...]) -> str | None:
    """The program of *argv* if PATH says where it is; a path may be relative to another folder."""
    return next((word for word in argv[:1] if "/" not in word), None)


def _problems(
    book: AgentBook, asked: str | None, user: _User, path_env: str | None
) -> Iterator[Problem]:
    try:
        name = book.name_for(asked)
        adapter, settings = book.adapter_of(name)
    except OrchcoreError as error:
        yield from error.problems
        return
    program = settings.program or _named(settings.argv) or adapter.program
    if program and not installed(adapter, settings.env.get("PATH", path_env), program):
        message = f"agent '{name}' is not installed: no '{program}' in PATH"
        yield Problem("not-installed", message, None, ("see what is:   orchcore agents",))
    if (lacks := lacking(adapter)) is not None:
        yield lacks
    for refused in (partial(book.ensure, name, user.talk), partial(_first_turn, book, name, user)):
        try:
            refused()
        except UsageError as error:
            for problem in error.problems:
                is_the_nodes = problem.code == "unsupported-option"
                yield replace(problem, where=user.where) if is_the_nodes else problem


def _first_turn(book: AgentBook, name: str, user: _User) -> None:
    """Lets the adapter make the command line of a turn, which is not run."""
    choice = book.choice(name, user.options, None, None)
    asked = Asked("", None, None, lambda result: (result, None))
    choice.adapter.command(invocation_of(choice, asked, choice.cwd, choice.cwd))
