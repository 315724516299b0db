"""The values with which an instance runs, gathered in three steps.

``shared`` waits for what all instances of a node have in common, ``expansion`` finds out which
instances there are, ``own`` waits for what one instance alone needs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from orchcore.collection.reach import conversations, roots
from orchcore.declarations.body import RAISED
from orchcore.declarations.edges import Each, Maybe, Use, are_items
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import FanSettled
from orchcore.execution.attempts import OPTIONS, Late, option_input
from orchcore.execution.endings import Missing
from orchcore.execution.keys import NoDigestError, value_digest
from orchcore.execution.opening import Opened
from orchcore.execution.resolving import Resolver
from orchcore.planning.fanning import (
    Element,
    FanError,
    Shape,
    elements,
    expand,
    label_text,
    selected,
    waits,
)
from orchcore.planning.plan import Axis, Fan, PlannedNode
from orchcore.results import Failure


@dataclass(frozen=True, slots=True)
class Expansion:
    """The instances of a fan-out.

    Attributes:
        shapes: In order.
        values: For each axis, its elements; ``None`` for a fan-out, whose come later.
        positions: For each axis, the places of its elements in its origin.
        after: Labels that must have passed before an instance starts.
        identities: For each shape, what stays the same when others are added before it.
    """

    shapes: tuple[Shape, ...]
    values: tuple[tuple[object, ...] | None, ...]
    positions: tuple[tuple[int, ...], ...]
    after: Mapping[str, tuple[str, ...]]
    identities: tuple[str, ...]


class InputDesk:
    """Gathers inputs.

    Args:
        resolver: Evaluates sources.
        opened: The run's resources.
        project: Where relative paths begin.
    """

    def __init__(self, resolver: Resolver, opened: Opened, project: Path) -> None:
        self._resolver = resolver
        self._project = project
        self._opened = opened

    async def shared(self, node: PlannedNode) -> dict[str, object] | Missing:
        """What all instances of *node* get alike; option edges under their option's name."""
        wanted = [
            (name, edge)
            for name, edge in _edges(node)
            if not isinstance(edge, Each) and (node.role == "gate" or not _opens(edge))
        ]
        return await self._resolved(wanted, self._opened)

    def late(self, node: PlannedNode) -> Late:
        """Resolves resources: nothing is opened for an instance that does not run."""
        wanted = [
            (name, edge)
            for name, edge in _edges(node)
            if not isinstance(edge, Each) and _opens(edge)
        ]

        async def resolve(opened: Opened) -> dict[str, object] | Missing:
            return await self._resolved(wanted, opened)

        return resolve

    async def expansion(self, node: PlannedNode, fan: Fan) -> Expansion | Missing:
        """The instances of *node*, once the lists they come from are there.

        Raises:
            FanError: The lists cannot be paired, or the order among instances cannot be met.
        """
        per_axis: list[list[Element]] = []
        values: list[tuple[object, ...] | None] = []
        for axis in fan.axes:
            found = await self._axis(axis)
            if isinstance(found, Missing):
                return found
            per_axis.append(found[0])
            values.append(found[1])
        shapes = expand(fan, per_axis)
        after = _after(fan, shapes, per_axis, values)
        chosen = selected(node.id, fan, shapes, after)
        if fan.only and not chosen:
            raise FanError(f"none of its instances is selected: {', '.join(fan.only)}")
        positions = tuple(tuple(element.position for element in axis) for axis in per_axis)
        identities = self._identities(fan, chosen, per_axis, values)
        return Expansion(chosen, tuple(values), positions, after, identities)

    def _identities(
        self,
        fan: Fan,
        shapes: Sequence[Shape],
        per_axis: Sequence[Sequence[Element]],
        values: Sequence[tuple[object, ...] | None],
    ) -> tuple[str, ...]:
        seen: Counter[str] = Counter()
        found: list[str] = []
        for shape in shapes:
            named: list[str] = []
            others: list[str] = []
            for index, (axis, pick) in enumerate(zip(fan.axes, shape.picks, strict=True)):
                element, listed = per_axis[index][pick], values[index]
                if listed is None:
                    source = cast("Any", axis.edge.source)
                    named.append(self._resolver.identity(source, element.position))
                elif element.label:
                    named.append(element.label)
                else:
                    others.append(_by_value(listed[pick], element.position, self._project))
            own = [*named, *others] if fan.cross else named or others or [shape.label]
            identity = ",".join(own)
            seen[identity] += 1
            found.append(f"{identity}.{seen[identity]}" if seen[identity] > 1 else identity)
        return tuple(found)

    async def own(
        self, node: PlannedNode, fan: Fan, shape: Shape, expansion: Expansion
    ) -> dict[str, object] | Missing:
        """What one instance alone gets: its elements."""
        mine: dict[str, object] = {}
        by_edge = {id(axis.edge): index for index, axis in enumerate(fan.axes)}
        for name, edge in _edges(node):
            if not isinstance(edge, Each):
                continue
            index = by_edge[id(edge)]
            listed = expansion.values[index]
            if listed is not None:
                mine[name] = listed[shape.picks[index]]
                continue
            source = cast("Any", fan.axes[index].edge.source)
            position = expansion.positions[index][shape.picks[index]]
            found = await self._resolver.element(source, position)
            if isinstance(found, Missing):
                return found
            mine[name] = found.value
        return mine

    async def _axis(self, axis: Axis) -> tuple[list[Element], tuple[object, ...] | None] | Missing:
        if axis.kind == "list":
            return _named(axis, axis.items), axis.items
        source: object = axis.edge.source
        if axis.kind == "fan":
            shapes = await self._resolver.shapes(cast("Any", source))
            if not isinstance(shapes, Missing):
                return [Element(shape.position, shape.label) for shape in shapes], None
            if not isinstance(source, FanSettled):
                return shapes
            # without instances it has one outcome, that of the whole: an outcome is never missed
        found = await self._resolver.source(cast("Any", source), self._opened)
        if isinstance(found, Missing):
            return found
        listed = found.value
        if not are_items(listed):
            detail = f"{axis.edge.shown()} needs a list, got {type(listed).__name__}"
            return Missing("failed", detail, Failure("error", detail))
        items = tuple(listed)
        return _named(axis, items), items

    async def _resolved(
        self, wanted: Iterable[tuple[str, object]], opened: Opened
    ) -> dict[str, object] | Missing:
        values: dict[str, object] = {}
        # conversations last: a gate among the others may have gone on with them
        for name, edge in sorted(wanted, key=lambda named: any(conversations(_source(named[1])))):
            found = await self._resolver.edge(edge, name, opened)
            if isinstance(found, Missing):
                return found
            values[name] = found.value
        return values


def _source(edge: object) -> object:
    return edge.source if isinstance(edge, Use | Maybe | Each) else None


def _by_value(value: object, position: int, project: Path) -> str:
    try:
        return value_digest(value, project)
    except NoDigestError:
        return str(position)


def _edges(node: PlannedNode) -> Iterator[tuple[str, object]]:
    """Parameters by name, option edges by a name that no parameter can have."""
    for wire in node.wires:
        yield wire.parameter, wire.edge
    options = node.options
    for name, edge in zip(OPTIONS, (options.cli, options.model, options.cwd), strict=True):
        if edge is not None:
            yield option_input(name), edge


def _opens(edge: object) -> bool:
    return any(isinstance(root, Resource) for root in roots(edge))


def _named(axis: Axis, items: tuple[object, ...]) -> list[Element]:
    try:
        return elements(items, axis.edge.label)
    except RAISED as error:
        raise FanError(f"label= raised {type(error).__name__}: {error}") from error


def _after(
    fan: Fan,
    shapes: tuple[Shape, ...],
    per_axis: list[list[Element]],
    values: list[tuple[object, ...] | None],
) -> dict[str, tuple[str, ...]]:
    for axis, named, listed in zip(fan.axes, per_axis, values, strict=True):
        after = axis.edge.after
        if after is not None and listed is not None:
            return waits(fan, shapes, named, [_labels(after, one) for one in listed])
    return {}


def _labels(after: Callable[[Any], object], element: object) -> tuple[str, ...]:
    try:
        given: Any = after(element)
        needs: list[object] | None = None if isinstance(given, str) else list(given)
    except RAISED as error:
        raise FanError(f"after= raised {type(error).__name__}: {error}") from error
    if needs is None:
        raise FanError(f"after= gave {given!r}; it must give a list of labels")
    return tuple(label_text(need) or str(need) for need in needs)
