"""What each ``each`` of a node goes over, and which axes belong together."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from orchcore.declarations.edges import Each, Param, are_items
from orchcore.declarations.gates import FanGate
from orchcore.declarations.nodes import Node
from orchcore.declarations.sources import FanOut, FanSession, FanSettled, Source
from orchcore.errors import Location, Problem
from orchcore.planning.fanning import too_many
from orchcore.planning.plan import Axis, Fan, PlannedNode


def fan_root(source: FanOut[Any]) -> Node | FanGate[Any]:
    """The node whose instances *source* has."""
    while isinstance(source, FanSession | FanSettled):
        source = cast("Any", source.source)
    return cast("Node | FanGate[Any]", source)


def axis(edge: Each, parameter: str, values: Mapping[str, object], fans: Mapping[Any, Fan]) -> Axis:
    """The axis of *edge*.

    Args:
        edge: The ``each``.
        parameter: Whose default it is, for parameters without a name of their own.
        values: The run's parameters.
        fans: The fans of the nodes planned so far, by declaration.
    """
    source = edge.source
    if isinstance(source, Param):
        name = source.name or parameter
        items = cast("list[object]", values.get(name, source.default))
        known = tuple(items) if isinstance(items, list | tuple) else ()
        return Axis(edge, "list", ("param", name), known)
    if isinstance(source, FanOut):
        root = fan_root(cast("Any", source))
        return Axis(edge, "fan", fans[root].origin if root in fans else root)
    if isinstance(source, Source):
        return Axis(edge, "source", cast("Any", source))
    values_here = tuple(source) if are_items(source) else ()  # else: reported
    return Axis(edge, "list", ("list", id(cast("Any", source))), values_here)


def origin(owner: object, axes: tuple[Axis, ...], *, cross: bool) -> object:
    """What the instances of *owner* correspond to: its axes' one origin, else itself."""
    origins = {axis.origin for axis in axes}
    own = len(origins) != 1 or (cross and len(axes) > 1)
    return owner if own else origins.pop()


def axis_problems(node: PlannedNode, each: tuple[tuple[str, Each], ...]) -> Iterator[Problem]:
    """Everything wrong with a node's instances."""
    if node.fan is None:
        for name, edge in each:
            yield _not_parallel(node, name, edge)
        return
    sizes = [len(axis.items) for axis in node.fan.axes]
    if all(axis.kind == "list" for axis in node.fan.axes) and (many := too_many(node.fan, sizes)):
        hint = "fewer or shorter lists; without cross=True they pair up"
        yield Problem("too-many-instances", f"'{node.id}' has {many}", node.where, (hint,))
    lengths = {axis.origin: len(axis.items) for axis in node.fan.axes if _known(axis)}
    if not node.fan.cross and len(set(lengths.values())) > 1:
        counts = " and ".join(map(str, lengths.values()))
        message = f"the lists that '{node.id}' goes over pair up, but have {counts} elements"
        hint = "make them equally long, or multiply them with cross=True"
        yield Problem("each-lengths", message, node.where, (hint,))
    if sum(axis.edge.after is not None for axis in node.fan.axes) > 1:
        message = f"'{node.id}' orders its instances by two each(after=...)"
        yield Problem("each-after", message, node.where, ("give after= to one of them",))
    for found in node.fan.axes:
        if found.kind == "fan" and (found.edge.label or found.edge.after):
            message = f"{found.edge.shown()} of '{node.id}' keeps the labels of its instances"
            hint = "give label= and after= where the list is fanned out first"
            yield Problem("each-label", message, node.where, (hint,))


def _known(axis: Axis) -> bool:
    return axis.kind == "list" and (bool(axis.items) or not isinstance(axis.edge.source, Param))


def _not_parallel(node: PlannedNode, name: str, edge: Each) -> Problem:
    at: Location = node.where
    return Problem(
        "each-without-parallel",
        f"phase '{node.id}' uses {edge.shown()} for '{name}', so it gives a list; "
        "say how many at once",
        at,
        (f"@{node.role}(parallel=4)",),
    )
