"""What may not go on before a person has decided."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from orchcore.declarations.body import RAISED
from orchcore.execution.asking import Office
from orchcore.execution.endings import Ending
from orchcore.execution.ports import Ruling
from orchcore.execution.resolving import Cell
from orchcore.execution.storing import brief, stored
from orchcore.journal.past import PastTurn
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
