"""What sources gave, once the run is over."""

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from orchcore.collection.gathering import Declaration
from orchcore.collection.reach import conversations, derived_from, roots
from orchcore.declarations.nodes import Node
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import FanSettled, Settled, Source
from orchcore.errors import OrchcoreError, Problem, shown_path
from orchcore.execution.endings import Got, Missing
from orchcore.execution.opening import Opened
from orchcore.execution.resolving import Cell, Resolver
from orchcore.planning.plan import Plan


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Evaluates sources on the endings of a run.

    Attributes:
        plan: What was run.
        cells: Its nodes by declaration; all have ended.
        opened: The run's resources; all are closed.
    """

    plan: Plan
    cells: Mapping[Any, Cell]
    opened: Opened

    def value(self, source: Source[Any]) -> object:
        """What *source* gave.

        Raises:
            OrchcoreError: It is none, is a conversation, was not run, or gave nothing.
        """
        if not isinstance(cast("object", source), Source):
            hint = "pass a node, or what is made from nodes:   value(plan.pick(lambda p: ...))"
            raise _no_value(f"value({str(source)[:60]}): that is no source", hint)
        if any(_conversations(source)):
            hint = "a phase can go on with it:   ai: Agent = use(plan.session)"
            raise _no_value(f"'{source.name}' is a conversation, which has no value", hint)
        nodes = [root for root in roots(source) if not isinstance(root, Resource)]
        cells = {root: self._cell(root) for root in nodes}
        found = _at_once(Resolver(cells, self.plan.parameters).source(source, self.opened))
        if isinstance(found, Missing):
            why = "; ".join(_lost(cells)) or found.reason
            hint = f"see .states first, or take the outcome:   value(settled({source.name}))"
            raise _no_value(f"'{source.name}' gave nothing: {why}", hint)
        return found.value

    def _cell(self, declared: Declaration) -> Cell:
        """The cell of *declared*, which may be of another import of the file that was run."""
        known = cast("Mapping[Declaration, str]", self.plan.ids)
        twins = [one for one in known if _place(one) == _place(declared)]
        twins = [declared] if declared in known else twins
        if len(twins) != 1:  # a factory makes several in one place
            raise _no_value(
                f"'{declared.name}' ({declared.declared_at}) is no node of "
                f"{shown_path(self.plan.orchfile)} as it was run",
                f"pass one that ran: {', '.join(cell.id for cell in self.cells.values())}",
                "import the orchfile before it is run: it is then run as imported",
            )
        if twins[0] not in self.cells:
            name = known[twins[0]]
            hint = f"run({name}) runs it with what it needs, run() runs everything"
            raise _no_value(f"'{name}' was not selected, so it gave nothing", hint)
        return self.cells[twins[0]]


def _conversations(source: Source[Any]) -> Iterator[object]:
    while isinstance(source, Settled | FanSettled):
        source = derived_from(cast("Any", source))
    return conversations(source)


def _place(declared: Declaration) -> tuple[object, ...]:
    wired_at = declared.spec.wired_at if isinstance(declared, Node) else None
    return type(declared), declared.declared_at, declared.name, wired_at


def _at_once(evaluation: Coroutine[Any, Any, Got]) -> Got:
    """The result of *evaluation*, which waits for nothing: everything has ended."""
    try:
        evaluation.send(None)
    except StopIteration as done:
        return cast("Got", done.value)
    raise RuntimeError("a source of a run that is over is still waited for")


def _lost(cells: Mapping[Declaration, Cell]) -> Iterator[str]:
    for cell in cells.values():
        ending = cell.settled.result()
        if not ending.gave:
            yield f"{cell.id} {ending.state}: {ending.reason or ending.failure}".rstrip(": ")


def _no_value(message: str, *hints: str) -> OrchcoreError:
    return OrchcoreError(Problem("no-value", message, None, hints))
