"""What agents have made of the files before something runs: it may see that, whatever it is told.

A phase that reads what an edit phase wrote depends on it also if that said "done" as before. So
what a node depends on includes what all that it comes after left of the files.
"""

from collections.abc import Iterable, Iterator, Mapping

from orchcore.collection.reach import roots
from orchcore.declarations.edges import Each
from orchcore.declarations.nodes import Node
from orchcore.execution.keys import text_digest
from orchcore.execution.resolving import Cell
from orchcore.journal.past import PastTurn


def left_by(turn: PastTurn) -> str:
    """What *turn*, which could edit, left of the files: one text for one state of them."""
    if turn.over.files is not None:
        return turn.over.files.tree
    return text_digest(f"{turn.begun.key} {turn.over.at}")


class Lineage:
    """Follows edits through a run's nodes."""

    def __init__(self) -> None:
        self._cells: Mapping[str, Cell] = {}
        self._known: dict[str, str] = {}

    def follow(self, cells: Iterable[Cell]) -> None:
        """These are the run's nodes."""
        self._cells = {cell.id: cell for cell in cells}

    def settle(self, cell: Cell) -> None:
        """*cell* is over: what it left is fixed, whatever a revision makes of it later."""
        self._known[cell.id] = self._after(cell)

    def before(self, cell: Cell) -> str:
        """What was left of the files before *cell*; empty if nothing edited them."""
        found = [self._after(one) for need in cell.node.needs for one in self._needed(cell, need)]
        found = [left for left in found if left]
        return text_digest(" ".join(found)) if found else ""

    def _after(self, cell: Cell) -> str:
        """What was left of the files after *cell*, which is over."""
        if cell.id in self._known:
            return self._known[cell.id]
        own = [self._after(one) for one in cell.instances.values()]
        told = [left for left in (self.before(cell), cell.spent.left, *own) if left]
        return text_digest(" ".join(told)) if told else ""

    def _needed(self, cell: Cell, need: str) -> Iterator[Cell]:
        """What *cell* gets of the node *need*: of a fan-out all of it, or its own element."""
        source = self._cells.get(need)
        if source is None:
            return
        edges = [wire.edge for wire in cell.node.wires if source.node.declared in roots(wire.edge)]
        elements = edges and all(isinstance(edge, Each) for edge in edges)
        if not elements or cell.shape is None or not isinstance(source.node.declared, Node):
            yield source
            return
        # the label of a crossed fan-out's instance is made of those of its elements
        labels = {cell.shape.label, *cell.shape.label.split(",")}
        mine = [one for one in source.instances.values() if one.shape and one.shape.label in labels]
        yield from mine or [source]
