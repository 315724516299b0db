"""Planned nodes made by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from orchcore.collection.gathering import collect
from orchcore.declarations.edges import Each
from orchcore.declarations.gates import Gate
from orchcore.declarations.nodes import Phase, Spec
from orchcore.errors import Location
from orchcore.planning.drafting import Request, draft
from orchcore.planning.plan import Axis, Fan, NodeOptions, Plan, PlannedNode

HERE = Location(Path("/project/orchfile.py"), 1)


async def nothing() -> str:
    """Does nothing."""
    return ""


def node(
    id_: str,
    *needs: str,
    items: Sequence[object] | None = None,
    fan: Fan | None = None,
    tags: Sequence[str] = (),
    role: Literal["phase", "agent", "gate"] = "phase",
) -> PlannedNode:
    """A node; *items* makes it a fan-out with these elements."""
    phase: Any = Phase(Spec(nothing, "phase"))  # pyright: ignore[reportUnknownVariableType]
    declared: Any = Gate[str](phase, "Sure?") if role == "gate" else phase
    if items is not None:
        axis = Axis(Each(list(items), None, None), "list", id_, tuple(items))
        fan = Fan(2, None, (axis,), id_)
    options = NodeOptions(tags=tuple(tags))
    return PlannedNode(id_, declared, role, HERE, options=options, fan=fan, needs=needs)


def plan_of(folder: Path, source: str, *targets: str, **parameters: object) -> Plan:
    """The plan of an orchfile with *source*, incomplete parameters allowed."""
    orchfile = folder / "orchfile.py"
    orchfile.write_text(source, "utf-8")
    collection = collect([str(orchfile)], None, folder)
    return draft(collection, Request(targets, parameters=parameters, complete=False))
