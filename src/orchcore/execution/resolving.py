"""What an edge gets: sources evaluated on the endings of nodes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from orchcore.declarations.body import RAISED
from orchcore.declarations.edges import Marker, Maybe, Param, Use
from orchcore.declarations.location import line_at
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import (
    Condition,
    Either,
    FanOut,
    FanSession,
    FanSettled,
    Picked,
    Session,
    Settled,
    Source,
)
from orchcore.execution.endings import Ending, Got, Missing, Spent, Value, got, outcome
from orchcore.execution.opening import Opened, projected
from orchcore.planning.axes import fan_root
from orchcore.planning.fanning import Shape
from orchcore.planning.plan import PlannedNode
from orchcore.results import Failure, SessionRef


@dataclass(eq=False, slots=True)
class Cell:
    """A node or an instance at run time.

    Attributes:
        id: ``review`` or ``review:codex``.
        node: The planned node.
        settled: How it ended, once it did.
        shape: An instance's; ``None`` for a node.
        shapes: A fan-out's instances, once they are known; ``Missing`` if they never will be.
        instances: A fan-out's instances, by place in its origin.
        spent: What its turns came to so far.
        began: When its body or its instances began, on the monotonic clock; ``None`` before.
        waited_s: How long all that it did waited for a free slot.
        attempt: The one that runs, from 1.
        values: With what it runs, or ran.
        session: Its conversation, if that went on after it had ended.
        identity: What tells it from the others, whatever their order; the id outside a fan-out.
        cut_by: The sibling whose failure cancelled it; empty if none did.
    """

    id: str
    node: PlannedNode
    settled: asyncio.Future[Ending]
    shape: Shape | None = None
    shapes: asyncio.Future[tuple[Shape, ...] | Missing] | None = None
    instances: dict[int, "Cell"] = field(default_factory=dict[int, "Cell"])
    spent: Spent = field(default_factory=Spent)
    cut_by: str = ""
    identity: str = ""
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    session: SessionRef | None = None
    began: float | None = None
    waited_s: float = 0.0
    attempt: int = 1

    @property
    def key(self) -> str:
        """The instance's label; the node's id outside a fan-out."""
        return self.id if self.shape is None else self.shape.label


class Resolver:
    """Evaluates sources, waiting for what they need.

    Args:
        cells: The run's nodes by declaration.
        parameters: The run's parameters.
    """

    def __init__(
        self,
        cells: Mapping[Any, Cell],
        parameters: Mapping[str, object],
    ) -> None:
        self._cells = cells
        self._parameters = parameters

    async def edge(self, edge: object, parameter: str, opened: Opened) -> Got:
        """What *edge* gives to *parameter*; plain values give themselves."""
        match edge:
            case Use():
                return await self.source(cast("Source[Any]", edge.source), opened)
            case Maybe():
                found = await self.source(cast("Source[Any]", edge.source), opened)
                lost = isinstance(found, Missing) and found.state not in ("paused", "cancelled")
                return Value(None) if lost else found
            case Param():
                return Value(self._parameters.get(edge.name or parameter, edge.default))
            case Marker():
                raise TypeError(f"{edge.shown()} is resolved per instance")
            case _:
                return Value(edge)

    async def source(self, source: Source[Any], opened: Opened) -> Got:
        """The value of *source*, once it is there."""
        match source:
            case Resource():
                return await opened.value(source)
            case Picked():
                return projected(source, await self.source(source.source, opened))
            case Either():
                first = await self.source(source.first, opened)
                skipped = isinstance(first, Missing) and first.state == "skipped"
                return await self.source(source.second, opened) if skipped else first
            case Settled():
                return await self._settled(cast("Any", source), opened)
            case _:
                return await self._of_node(source)

    async def _of_node(self, source: Source[Any]) -> Got:
        if isinstance(source, FanSettled | FanSession):
            return await self._listed(cast("FanOut[Any]", source))
        if isinstance(source, Session):
            cell = self._cells[source.source]
            return _session(source.name, cell, await ending_of(cell))
        cell = self._cells[source]
        return got(cell.id, await ending_of(cell))

    async def element(self, source: FanOut[Any], position: int) -> Got:
        """What the instance of *source* at *position* of its origin gives."""
        cell = self._cells[fan_root(source)].instances[position]
        return self._of_instance(source, cell, await ending_of(cell))

    def identity(self, source: FanOut[Any], position: int) -> str:
        """What tells the instance of *source* at *position* from its siblings."""
        cell = self._cells[fan_root(source)].instances[position]
        return cell.identity.removeprefix(f"{cell.node.id}:")

    async def shapes(self, source: FanOut[Any]) -> tuple[Shape, ...] | Missing:
        """The instances of *source*, once they are known."""
        known = self._cells[fan_root(source)].shapes
        if known is None:
            raise TypeError(f"{source.name} has no instances")
        return await asyncio.shield(known)

    async def condition(self, when: Condition, opened: Opened) -> Missing | None:
        """``None`` if *when* holds, else why the node does not run."""
        held = await self._holds(when, opened)
        if held is True:
            return None
        if isinstance(held, Missing):
            return held
        reason = f"{_unmet(when)}  {line_at(*when.at)}"
        return Missing("skipped", reason, Failure("skipped", reason))

    async def _holds(self, when: Condition, opened: Opened) -> bool | Missing:
        if when.op == "where":
            return _judged(when, await self.source(cast("Source[Any]", when.source), opened))
        first = await self._holds(when.parts[0], opened)
        if when.op == "not":
            return first if isinstance(first, Missing) else not first
        decisive = when.op == "or"  # whatever the other part comes to, in either order
        if first is decisive:
            return first
        second = await self._holds(when.parts[1], opened)
        if second is decisive:
            return second
        lost = [one for one in (first, second) if isinstance(one, Missing)]
        return max(lost, key=_gravity) if lost else second

    async def _settled(self, source: Settled[Any], opened: Opened) -> Got:
        inner = source.source
        if (cell := self._cells.get(inner)) is not None:
            ending = await ending_of(cell)
            return _unless_stopped(ending, outcome(cell.id, ending))
        found = await self.source(inner, opened)
        ending = Ending("passed", found.value) if isinstance(found, Value) else found.ending()
        return _unless_stopped(ending, outcome(inner.name, ending))

    async def _listed(self, source: FanOut[Any]) -> Got:
        cell = self._cells[fan_root(source)]
        whole = await ending_of(cell)
        if whole.state == "paused":
            return got(cell.id, whole)
        if not cell.instances and not whole.gave:
            if isinstance(source, FanSettled):
                return _unless_stopped(whole, [outcome(cell.id, whole)])
            return got(cell.id, whole)
        if isinstance(source, FanSession) and not whole.gave:
            return got(cell.id, whole)
        values: list[object] = []
        for one in cell.instances.values():
            found = self._of_instance(source, one, one.settled.result())
            if isinstance(found, Value):
                values.append(found.value)
        return Value(values)

    def _of_instance(self, source: FanOut[Any], cell: Cell, ending: Ending) -> Got:
        match source:
            case FanSession():
                inner = self._of_instance(cast("Any", source.source), cell, ending)
                return inner if isinstance(inner, Missing) else _session(source.name, cell, ending)
            case FanSettled():
                return _unless_stopped(ending, outcome(cell.key, ending))
            case _:
                return got(cell.id, ending)


def through(source: Source[Any], root: Value) -> Got:
    """What *source* gives if that from which it is picked gives *root*."""
    return projected(source, through(source.source, root)) if isinstance(source, Picked) else root


def _gravity(lost: Missing) -> int:
    return ("skipped", "blocked", "failed", "paused", "cancelled").index(lost.state)


def _unmet(when: Condition) -> str:
    return f"{when.parts[0]} is true" if when.op == "not" else f"{when} is false"


async def ending_of(cell: Cell) -> Ending:
    """How *cell* ended, once it did; a cancelled wait leaves it alone."""
    if cell.settled.done():
        return cell.settled.result()
    return await asyncio.shield(cell.settled)


def _session(name: str, cell: Cell, ending: Ending) -> Got:
    """The conversation of an agent's node; its handle is made anew for each attempt."""
    found = got(name, ending)
    return found if isinstance(found, Missing) else Value(cell.session or ending.session)


def _judged(when: Condition, found: Got) -> bool | Missing:
    if isinstance(found, Missing):
        return found
    try:
        return bool(cast("Any", when.predicate)(found.value))
    except RAISED as error:
        detail = f"{when} raised {type(error).__name__}: {error}  {line_at(*when.at)}"
        return Missing("failed", detail, Failure("error", detail))


def _unless_stopped(ending: Ending, value: object) -> Got:
    """A paused node has no outcome yet: what asks for it waits, too."""
    return got("a gate", ending) if ending.state == "paused" else Value(value)
