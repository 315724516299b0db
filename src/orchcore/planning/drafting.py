"""From a ``Collection`` and a request to a ``Plan``, or to every problem at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

from orchcore.collection.gathering import Collection, Found
from orchcore.collection.reach import Root, conversations, roots
from orchcore.declarations.edges import UNSET, Each, Maybe, Param, Use
from orchcore.declarations.gates import Approval
from orchcore.declarations.nodes import Callee, Node
from orchcore.declarations.sources import Condition, FanOut, FanSession, Source
from orchcore.errors import CollectionError, Problem, UsageError
from orchcore.planning import wiring
from orchcore.planning.annotations import hints
from orchcore.planning.axes import axis, axis_problems, origin
from orchcore.planning.options import (
    fan_options,
    filled,
    limit_problems,
    node_options,
    option_problems,
)
from orchcore.planning.parameters import gathered, missing, option_parameter, validated
from orchcore.planning.plan import Fan, NodeOptions, Plan, PlannedNode, Wire
from orchcore.planning.selection import Selection, known_instances, select

CONVERSATION = "\0conversation"
"""Name of the wire that leads to an agent's handle: no parameter can have it."""

_GATE_PARALLEL = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked of an orchfile.

    Attributes:
        targets: Selectors: ids, globs, ``+a``, ``a+``, instance ids.
        keyword: ``-k`` expression.
        tags: ``-t`` tags.
        parameters: Texts of the command line, or values of a program, by parameter name.
        jobs: Turns and commands at once; ``None``: the configuration's.
        agent: Replaces every agent's name.
        model: Replaces every model.
        budget_usd: What the run may cost; ``None``: the configuration's.
        complete: Whether missing required parameters are errors (not for drawing).
        environ: For parameters with ``env=``; by default the process's.
    """

    targets: tuple[str, ...] = ()
    keyword: str | None = None
    tags: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    jobs: int | None = None
    agent: str | None = None
    model: str | None = None
    budget_usd: float | None = None
    complete: bool = True
    environ: Mapping[str, str] | None = None


def draft(collection: Collection, request: Request) -> Plan:
    """The plan for *request*.

    Raises:
        CollectionError: The orchfile has problems; all of them.
        UsageError: A parameter is missing or wrong, or a target is unknown.
        NothingSelectedError: The selection leaves nothing.
    """
    specs, wrong_names = gathered(collection)
    environ = os.environ if request.environ is None else request.environ
    values, wrong_values = validated(specs, request.parameters, environ)
    bench = _Bench(collection, values)
    nodes = bench.nodes()
    steps = {step: bench.options_of(step, name) for name, step in collection.steps.items()}
    problems = [*wiring.problems(collection), *wrong_names, *bench.problems, *_cycle(nodes)]
    problems += (*collection.warnings, *_idle_gates(nodes), *_unequal_limits(nodes, steps))
    errors = sorted((p for p in problems if not p.warning), key=_place)
    if errors:
        raise CollectionError(*errors, *wrong_values)
    targets = (*collection.selectors, *request.targets)
    chosen = select(nodes, Selection(targets, request.keyword, request.tags))
    if request.complete:
        idle = {node.id for node in nodes} - {node.id for node in chosen}
        wrong_values = (*wrong_values, *missing(specs, values, idle))
    if wrong_values:
        raise UsageError(*wrong_values)
    return Plan(
        collection.orchfile,
        chosen,
        bench.ids,
        values,
        specs,
        steps,
        request.jobs or collection.config.jobs,
        collection.config,
        request.agent,
        request.model,
        tuple(problem for problem in problems if problem.warning),
        request.budget_usd or collection.config.settings.budget,
    )


class _Bench:
    """Where nodes are put together; keeps the problems found on the way."""

    def __init__(self, collection: Collection, values: Mapping[str, object]) -> None:
        self._collection = collection
        self._values = values
        self._fans: dict[Any, Fan] = {}
        self._continued: dict[object, int] = {}
        self.ids: dict[object, str] = {f.declared: f.id for f in collection.found}
        self.problems: list[Problem] = []

    def nodes(self) -> tuple[PlannedNode, ...]:
        """Every node, complete, in the order of definition."""
        planned = [self._node(found) for found in self._collection.found]
        for node in planned:
            for session in _sessions(node):
                self.problems.extend(_cached_talk(session, node, planned))
                weight = 2 if _repeats(node, session) else 1
                self._continued[session] = self._continued.get(session, 0) + weight
        return tuple(
            replace(node, forks=any(self._continued[s] > 1 for s in _sessions(node)))
            for node in planned
        )

    def options_of(self, declared: Any, id_: str) -> NodeOptions:
        """Checked options of a node or step."""
        self.problems += option_problems(declared, id_)
        options, wrong = node_options(declared, id_, self._values)
        self.problems += wrong
        return options

    def _node(self, found: Found) -> PlannedNode:
        if isinstance(found.declared, Approval):
            node = self._gate(found)
        else:
            node = self._function(found, found.declared)
        needs = {self.ids[root]: None for root in _needed(node) if root in self.ids}
        return replace(node, needs=tuple(needs))

    def _gate(self, found: Found) -> PlannedNode:
        gate = cast("Approval", found.declared)
        fan = None
        edge: Use | Each = Use(gate.source)
        if gate.per_item:
            edge = Each(gate.source, None, None)
            one = axis(edge, "value", self._values, self._fans)
            fan = Fan(_GATE_PARALLEL, None, (one,), one.origin)
            self._fans[gate] = fan
        returns = _given_by(gate.source)
        wire = Wire("value", edge, returns)
        return PlannedNode(found.id, gate, "gate", found.where, (wire,), fan=fan, returns=returns)

    def _function(self, found: Found, declared: Node) -> PlannedNode:
        spec = declared.spec
        wires = wiring.wires(declared)
        talk = wiring.conversation(declared)
        if talk is not None:
            wires = (Wire(CONVERSATION, talk, None), *wires)
        raw_after = spec.options.get("after", ())
        after = tuple(cast("list[Any]", raw_after)) if isinstance(raw_after, list | tuple) else ()
        node = PlannedNode(
            found.id,
            declared,
            spec.role,
            found.where,
            wires,
            self.options_of(declared, found.id),
            when=self._when(declared, found),
            after=tuple(one for one in after if isinstance(cast("object", one), Source)),
            returns=hints(spec.fn).get("return"),
        )
        return self._fanned(node, declared)

    def _when(self, declared: Node, found: Found) -> Condition | bool:
        name = option_parameter(found.id, "when")
        when = filled(declared.spec.options.get("when", True), name, self._values)
        if isinstance(when, Condition | bool):
            return when
        if when is UNSET:
            return True
        hint = "when=plan.where(lambda p: ...)   or   when=param(True)"
        message = f"option 'when' of '{found.id}' is no condition"
        self.problems.append(Problem("option", message, found.where, (hint,)))
        return True

    def _fanned(self, node: PlannedNode, declared: Node) -> PlannedNode:
        each = tuple(_each(node))
        if isinstance(declared, FanOut):
            options, wrong = fan_options(declared, node.id, self._values)
            self.problems += wrong
            axes = tuple(axis(edge, name, self._values, self._fans) for _, name, edge in each)
            copies = None if axes else options.parallel
            fan = Fan(
                options.parallel,
                copies,
                axes,
                origin(declared, axes, cross=options.cross),
                options.quorum,
                options.fail_fast,
                options.cross,
            )
            self._fans[declared] = fan
            node = replace(node, fan=fan)
            self.problems += _shared_edits(node)
        self.problems += axis_problems(node, tuple((shown, edge) for shown, _, edge in each))
        self.problems += _quorum_problem(node)
        return node


def _place(problem: Problem) -> tuple[str, int]:
    where = problem.where
    return ("", 0) if where is None else (str(where.path), where.line)


def _each(node: PlannedNode) -> Iterator[tuple[str, str, Each]]:
    """Every ``each`` of *node*: where it stands, what a parameter there is called, and itself."""
    options = node.options
    for wire in node.wires:
        if isinstance(wire.edge, Each):
            yield wire.parameter.replace(CONVERSATION, "ai"), wire.parameter, wire.edge
    for name, edge in (("agent", options.cli), ("model", options.model), ("cwd", options.cwd)):
        if isinstance(edge, Each):
            yield name, option_parameter(node.id, name), edge


def _needed(node: PlannedNode) -> Iterator[Root]:
    options = node.options
    for edge in (*(wire.edge for wire in node.wires), options.cli, options.model, options.cwd):
        yield from roots(edge)
    yield from roots(node.when)
    for source in node.after:
        yield from roots(source)


def _cached_talk(
    session: object, user: PlannedNode, nodes: Iterable[PlannedNode]
) -> Iterator[Problem]:
    """A conversation of a node whose result may be another run's."""
    for node in nodes:
        if node.declared is session and node.options.cache_s:
            message = f"option 'cache' of '{node.id}': '{user.id}' goes on with its conversation, "
            message += "which another run does not have"
            hint = f"leave cache= out, or use({node.id}) without its session"
            yield Problem("option", message, node.where, (hint,))


def _sessions(node: PlannedNode) -> Iterator[object]:
    """The agent nodes whose conversation *node* goes on with."""
    for wire in node.wires:
        if isinstance(wire.edge, Use | Maybe | Each):
            yield from conversations(wire.edge.source)


def _repeats(node: PlannedNode, session: object) -> bool:
    """Whether one conversation gets several continuers from *node* alone, or a second try."""
    if node.options.retries:
        return True
    if node.fan is None:
        return False
    multiplied = node.fan.cross and len(node.fan.axes) > 1
    return multiplied or not any(
        isinstance(one.edge.source, FanSession) and one.edge.source.source is session
        for one in node.fan.axes
    )


def _given_by(source: Source[Any]) -> Any:
    return hints(source.spec.fn).get("return") if isinstance(source, Node) else None


def _shared_edits(node: PlannedNode) -> Iterator[Problem]:
    fan, options = node.fan, node.options
    if fan is None or fan.parallel < 2 or options.permission not in ("edit", "full"):
        return
    if options.cwd is None or isinstance(options.cwd, str | Param):
        message = f"'{node.id}' lets {fan.parallel} agents edit one shared folder at once"
        hint = "give each its own:   cwd=each([...]) or a resource per instance (a git worktree)"
        yield Problem("shared-edits", message, node.where, (hint,), warning=True)


def _idle_gates(nodes: tuple[PlannedNode, ...]) -> Iterator[Problem]:
    """Gates that nobody waits for, although others use what is to be approved."""
    for gate in nodes:
        if gate.role != "gate" or any(gate.id in node.needs for node in nodes):
            continue
        hasty = [node.id for node in nodes if node is not gate and {*gate.needs} & {*node.needs}]
        if hasty:
            message = f"'{', '.join(hasty)}' starts without waiting for the gate '{gate.id}'"
            hint = f"use the gate in place of '{', '.join(gate.needs)}':   use({gate.id})"
            yield Problem("gate-without-effect", message, gate.where, (hint,), warning=True)


def _quorum_problem(node: PlannedNode) -> Iterator[Problem]:
    known = known_instances(node)
    if known is None or node.fan is None or (node.fan.quorum or 0) <= len(known):
        return
    if not known and any(isinstance(one.edge.source, Param) for one in node.fan.axes):
        return  # the list is not given yet
    message = f"quorum={node.fan.quorum} of '{node.id}' can never be met"
    hint = f"it has {len(known) or 'no'} instance{'s' * (len(known) != 1)}"
    yield Problem("option", message, node.where, (hint,))


def _unequal_limits(
    nodes: tuple[PlannedNode, ...], steps: Mapping[Callee, NodeOptions]
) -> Iterator[Problem]:
    return limit_problems(
        (
            *((node.id, node.where, node.options) for node in nodes),
            *((step.name, step.declared_at, options) for step, options in steps.items()),
        )
    )


def _cycle(nodes: tuple[PlannedNode, ...]) -> Iterator[Problem]:
    try:
        TopologicalSorter({node.id: node.needs for node in nodes}).prepare()
    except CycleError as error:
        path = list(reversed(error.args[1]))
        where = next(node.where for node in nodes if node.id == path[0])
        yield Problem("cycle", f"phases wait for each other: {' -> '.join(path)}", where)
