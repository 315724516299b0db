"""What may not go on before a person has decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from orchcore.declarations.body import RAISED
from orchcore.errors import Problem, UsageError, did_you_mean
from orchcore.execution.asking import Office
from orchcore.execution.endings import Ending
from orchcore.execution.ports import Ruling
from orchcore.execution.resolving import Cell
from orchcore.execution.storing import brief, stored
from orchcore.journal.past import Past, PastTurn
from orchcore.planning.plan import Plan, PlannedNode
from orchcore.results import Failure


class HaltError(Exception):
    """A body may not go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Halting:
    """Decides for one node or instance.

    Attributes:
        office: The run.
        cell: Which.
    """

    office: Office
    cell: Cell

    @property
    def ruling(self) -> Ruling | None:
        """What a person decided of it."""
        return self.office.around.rulings.get(self.cell.id)

    async def kept(self, ending: Ending) -> Ending | None:
        """*ending*, which it had before, if that may be used again; ``None``: it is to run."""
        why = await lost(self.office, self.office.memory.edits(ending.key))
        if why is None:
            return ending
        return self._ruled(why, ending)

    def unfinished(self) -> Ending | None:
        """How it ends if it was begun in an earlier process; ``None``: it may run."""
        begun = self.office.around.past.begun
        halts = self.cell.node.options.halts and self.cell.identity in begun
        ruling = self.ruling
        if not halts and (ruling is None or ruling.rerun):
            return None
        return self._ruled("it was begun before, and may not simply run again", None)

    def paused(self, why: str) -> Ending:
        """It waits for a decision."""
        node, run = self.cell.id, self.office.around.folders.id
        hint = f"orchcore resume {run} --rerun {node}, --accept {node}, or --answer {node} FILE"
        reason = f"{why}: decide ({hint})"
        return Ending("paused", reason=reason, failure=Failure("blocked", reason))

    def _ruled(self, why: str, kept: Ending | None) -> Ending | None:
        ruling = self.ruling
        if ruling is None:
            return self.paused(why)
        if ruling.rerun:
            return None
        if ruling.value is None and kept is not None:
            return kept
        text = f"{self.cell.id} was not run: its result was given by hand"
        self.office.journalist.warn(text, self.cell.id)
        returns = self.cell.node.returns
        try:
            value = given(returns, ruling.value)
        except RAISED as error:
            failure = Failure("error", misfit(error))
            return Ending("failed", reason=str(failure), failure=failure)
        return Ending("passed", value, stored=stored(value, returns), brief=brief(value))


def given(returns: object, text: str | None) -> object:
    """What a person gave as JSON, or nothing, as a phase would give it that *returns* this.

    Raises:
        Exception: It does not fit; anything that a user's type raises.
    """
    kind: Any = Any if returns is None else returns
    return TypeAdapter[object](kind).validate_json("null" if text is None else text)


def misfit(error: BaseException) -> str:
    """Why *error* says that what was given does not fit."""
    told = str(error).partition("[type=")[0].partition("\n")[2].strip() or str(error)
    return f"what was given by hand does not fit: {told}"


async def lost(office: Office, edits: tuple[PastTurn, ...]) -> str | None:
    """Puts back what *edits* had changed and is gone; if that cannot be, why."""
    gone = await office.files.gone(edits) if edits else None
    return None if gone is None else await office.files.put_back(gone)


def fitting(rulings: Mapping[str, Ruling], plan: Plan, past: Past) -> Mapping[str, Ruling]:
    """*rulings*, if each is of a node that may halt and gives what that node could.

    Raises:
        UsageError: One is or does not.
    """
    edited = {turn.begun.node.partition(":")[0] for turn in past.edits}
    halting = {node.id: node for node in plan.nodes if node.options.halts or node.id in edited}
    for name, ruling in rulings.items():
        node = halting.get(name.partition(":")[0])
        if node is not None and node.fan is not None and name not in past.last:
            known = [one for one in past.last if one.startswith(f"{node.id}:")]
            message = f"'{name}' is no instance that was begun: decide of each"
            hints = tuple(f"--rerun {one}" for one in known[:5]) or ("it was never begun",)
            raise UsageError(Problem("unknown-target", message, None, hints))
        if node is None:
            message = f"nothing has to be decided of '{name}': it has no recovery=\"halt\""
            raise UsageError(Problem("unknown-target", message, None, did_you_mean(name, halting)))
        if not ruling.rerun and (ruling.value is not None or name not in past.last):
            _ensure_fit(name, node, ruling)
    return rulings


def _ensure_fit(name: str, node: PlannedNode, ruling: Ruling) -> None:
    try:
        given(node.returns, ruling.value)
    except RAISED as error:
        hint = f"--answer {name} FILE, with JSON of what it gives: {node.returns}"
        raise UsageError(Problem("usage", f"{name}: {misfit(error)}", None, (hint,))) from None
