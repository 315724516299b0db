"""The plan: nodes, edges, limits, parameters; all frozen, all checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orchcore.collection.gathering import Declaration
from orchcore.config import Config
from orchcore.declarations.edges import Each
from orchcore.declarations.nodes import Callee
from orchcore.declarations.sources import Condition, Source
from orchcore.errors import Location, Problem
from orchcore.policies import Permission
from orchcore.results import NodeState


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """Where one parameter's value comes from.

    Attributes:
        parameter: Its name.
        edge: A ``Marker`` (use, maybe, each, param), or the plain value that was bound.
        annotation: The parameter's annotation; ``None`` if it cannot be read.
        positional: Whether it can only be passed by position.
    """

    parameter: str
    edge: object
    annotation: Any
    positional: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class NodeOptions:
    """A node's or step's options, checked, with parameters filled in.

    Attributes:
        cli, model, cwd: A plain value, ``None``, or an edge that is resolved per instance.
        timeout_s: Wall time of one attempt; ``None``: no limit.
        idle_s: Silence that is a stall; ``None``: the agent's default.
        reasks: How often an invalid answer is asked again.
        limit_wait_s: How long a turn waits for rate limits, all together; 0: it fails at once.
        budget_usd: What all of its turns may cost; ``None``: no limit.
        estimate_usd: What one of its turns likely costs, as the user says.
        turn_usd: What one turn may cost (``ai.using(budget=...)``).
        halts: Whether it stops for a decision where a resumed run would run it once more.
    """

    cli: object = None
    model: object = None
    cwd: object = None
    permission: Permission | None = None
    tools: tuple[str, ...] | None = None
    timeout_s: float | None = None
    idle_s: float | None = None
    retries: int = 0
    reasks: int = 2
    max_turns: int | None = None
    max_tool_calls: int | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    pass_env: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    tags: tuple[str, ...] = ()
    optional: bool = False
    halts: bool = False
    fallback: tuple[str, ...] = ()
    cache_s: float | None = None
    limit_wait_s: float = 6 * 3600.0
    budget_usd: float | None = None
    estimate_usd: float | None = None
    turn_usd: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One ``each`` of a fan-out.

    Attributes:
        edge: The edge itself; its parameter gets the element.
        kind: ``list``: *items* are known now. ``source``: a list that comes during the run.
            ``fan``: one instance for each instance of another fan-out.
        origin: Axes of equal origin are paired by instance.
        items: A ``list`` axis's elements.
    """

    edge: Each
    kind: Literal["list", "source", "fan"]
    origin: object
    items: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Fan:
    """How a node has instances.

    Attributes:
        parallel: How many run at once.
        copies: Number of equal instances where there is no ``each``.
        axes: Its ``each`` edges, in the order of its parameters and options.
        quorum: The node passes if this many instances do.
        fail_fast: The first failed instance cancels the others.
        cross: Axes multiply instead of pairing up.
        only: Globs of instance ids that were selected; empty: all.
        origin: What its instances correspond to, for nodes that run element-wise on it.
    """

    parallel: int
    copies: int | None
    axes: tuple[Axis, ...]
    origin: object
    quorum: int | None = None
    fail_fast: bool = False
    cross: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PlannedNode:
    """One node, complete.

    Attributes:
        id: Its name.
        declared: What the user wrote.
        role: ``phase``, ``agent`` or ``gate``.
        wires: Every parameter that gets a value, in the order of the signature.
        needs: Ids of the nodes it waits for, by parameters, options, conditions and ``after``.
        when: A condition, or a bool; ``True`` runs it always.
        after: Sources to wait for without their values.
        returns: Annotation of its result; ``None`` if it cannot be read.
        forks: Sessions it must branch because others continue them too.
    """

    id: str
    declared: Declaration
    role: Literal["phase", "agent", "gate"]
    where: Location
    wires: tuple[Wire, ...] = ()
    options: NodeOptions = field(default_factory=NodeOptions)
    fan: Fan | None = None
    needs: tuple[str, ...] = ()
    when: Condition | bool = True
    after: tuple[Source[Any], ...] = ()
    returns: Any = None
    forks: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ParameterSpec:
    """A typed option of the run.

    Attributes:
        name: As in ``--name``, with underscores.
        annotation: Its type; ``str`` if nothing says otherwise.
        default: ``UNSET`` if it is required.
        many: Whether the option is repeated to give a list.
        flag: Whether it is ``--name/--no-name``.
        secret: Whether its value is never shown or stored.
        users: Ids of the nodes that take it.
    """

    name: str
    annotation: Any
    default: object
    env: str
    help: str
    where: Location
    many: bool = False
    flag: bool = False
    secret: bool = False
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What will happen to a node, and why: a line of ``orchcore plan``."""

    node: str
    action: Literal["RUN", "REUSE", "SKIP"]
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a run needs, checked before its first process starts.

    Attributes:
        orchfile: The file, absolute.
        nodes: The selected nodes, each after those it needs.
        ids: Id of every declared node, selected or not.
        parameters: Validated values by name.
        specs: What parameters there are.
        steps: Options of every step that bodies may call.
        jobs: Turns and commands at once.
        agent: Replaces every agent's name, if given (``--agent``).
        model: Replaces every model, if given (``--model``).
        warnings: Problems that do not prevent the run.
        config: The configuration in force.
        budget_usd: What the run may cost; ``None``: no limit.
    """

    orchfile: Path
    nodes: tuple[PlannedNode, ...]
    ids: Mapping[object, str]
    parameters: Mapping[str, object]
    specs: tuple[ParameterSpec, ...]
    steps: Mapping[Callee, NodeOptions]
    jobs: int
    config: Config
    agent: str | None = None
    model: str | None = None
    warnings: tuple[Problem, ...] = ()
    budget_usd: float | None = None

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.orchfile.parent

    def node(self, id: str) -> PlannedNode:  # noqa: A002
        """The node with this id.

        Raises:
            KeyError: It is not in the plan.
        """
        for node in self.nodes:
            if node.id == id:
                return node
        raise KeyError(id)


type States = Mapping[str, NodeState]
