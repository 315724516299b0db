"""What a resumed run would do: the scheduler goes through the plan, and nothing is run."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from orchcore.declarations.nodes import Node
from orchcore.events import InstanceEnded, NodeEnded
from orchcore.execution.asking import Office
from orchcore.execution.edited_files import Gone
from orchcore.execution.endings import Ending
from orchcore.execution.keys import Key
from orchcore.execution.resolving import Cell
from orchcore.execution.reusing import NO_DIGEST, SOURCE, Reuse
from orchcore.planning.source_lines import changed_line, written
from orchcore.results import Failure

type Action = Literal["REUSE", "RUN", "HALT", "SKIP", "ASK"]

_NOT_YET = Failure("cancelled", "it is not run here")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of a node or an instance.

    Attributes:
        node: Its id.
        action: What would happen to it.
        reason: Why, one line.
        cost_usd: What it cost the last time, if it would run again and that is known.
        costs: Whether it may cost something: it has an agent, or had turns.
    """

    node: str
    action: Action
    reason: str
    cost_usd: float | None = None
    costs: bool = False


class Foreseer:
    """Stands where attempts and gates are, and notes what they would be asked to do.

    Args:
        reuse: Finds results.
        office: What is recorded and was decided, and what agents changed.
    """

    def __init__(self, reuse: Reuse, office: Office) -> None:
        self._reuse = reuse
        self._office = office
        self._past = office.memory.past
        self.found: dict[str, Foreseen] = {}

    async def attempt(self, cell: Cell, values: Mapping[str, object]) -> Ending:
        """How *cell* ends here: reused, or not at all."""
        key = self._reuse.key(cell, values)
        kept = self._reuse.found(cell, key)
        if kept is not None:
            gone = await self._office.files.gone(self._office.memory.edits(key.digest))
            self.found[cell.id] = found = self._decided(_reused(cell.id, gone))
            return kept if found.action == "REUSE" else _would_not(found.reason)
        cached = self._reuse.cached(cell, key)
        if cached is not None:
            self.found[cell.id] = Foreseen(cell.id, "REUSE", cached.reason)
            return cached
        self.found[cell.id] = self._run(cell, self.why(cell, key))
        if cell.node.options.halts and cell.identity in self._past.begun:
            self.found[cell.id] = self._decided(replace(self.found[cell.id], action="HALT"))
        return _would_not("it would run")

    def _decided(self, foreseen: Foreseen) -> Foreseen:
        """*foreseen*, unless a person has decided what becomes of a node that halts."""
        ruling = self._office.around.rulings.get(foreseen.node)
        if foreseen.action != "HALT" or ruling is None:
            return foreseen
        if ruling.rerun:
            return replace(foreseen, action="RUN", reason="it was decided: once more")
        how = "it is done" if ruling.value is None else "its result is given"
        return replace(foreseen, action="REUSE", reason=f"it was decided: {how}")

    def gate(self, cell: Cell, known: Ending | None) -> Ending:
        """How a gate ends here: as it was answered, or not at all."""
        if known is not None and known.state == "paused":
            self.found[cell.id] = Foreseen(cell.id, "ASK", known.reason)
            return _would_not(known.reason)
        if known is not None:
            self.found[cell.id] = Foreseen(cell.id, "REUSE", "it was answered")
            return known
        self.found[cell.id] = Foreseen(cell.id, "ASK", "it has no answer yet")
        return _would_not("it would be asked")

    def rest(self, cells: Iterable[Cell]) -> Iterator[Foreseen]:
        """Every node and instance in the plan's order, those that were never reached as well."""
        changed: set[str] = set()
        for cell in cells:
            for one in cell.instances.values() or (cell,):
                foreseen = self.found.get(one.id) or self._unreached(one, changed)
                if foreseen.action != "REUSE":
                    changed.add(cell.id)
                yield foreseen

    def _unreached(self, cell: Cell, changed: set[str]) -> Foreseen:
        ending = cell.settled.result()
        if ending.state == "skipped":
            return Foreseen(cell.id, "SKIP", ending.reason)
        if ending.state == "passed":  # a fan-out without instances
            return Foreseen(cell.id, "RUN", "it has no instances")
        needs = ", ".join(need for need in cell.node.needs if need in changed) or ending.reason
        before = self._past.last.get(cell.id)
        if before is None and cell.identity not in self._past.begun:
            return self._run(cell, f"new, after {needs}")
        if before is not None and before.state not in ("passed", "reused", "partial"):
            return self._run(cell, f"{before.state} before, after {needs}")
        return self._run(cell, f"upstream changed: {needs}")

    def _run(self, cell: Cell, reason: str) -> Foreseen:
        before = self._past.last.get(cell.id)
        usd = None if before is None else before.cost_usd
        costs = cell.node.role == "agent" or (before is not None and before.turns > 0)
        return Foreseen(cell.id, "RUN", reason, usd, costs)

    def why(self, cell: Cell, key: Key) -> str:
        """Why *cell* cannot be reused."""
        if not key.digest:
            return f"input has no digest: {key.parts[NO_DIGEST]}"
        before = self._past.last.get(cell.id)
        if before is None or before.state not in ("passed", "reused", "partial"):
            return self._unfinished(cell, before)
        if before.value is None or not before.key:
            return "its result is not stored"
        changes = list(self._changes(cell, key, before))
        return "; ".join(changes) or "its result cannot be read back as it was"

    def _unfinished(self, cell: Cell, before: NodeEnded | InstanceEnded | None) -> str:
        if before is None:
            return "interrupted" if cell.identity in self._past.begun else "new"
        if before.state == "failed":
            return f"failed: {before.failure or before.reason}"
        return "interrupted" if before.state == "cancelled" else f"{before.state} before"

    def _changes(self, cell: Cell, key: Key, before: NodeEnded | InstanceEnded) -> Iterator[str]:
        parts = before.key_parts
        for name in key.differs({name: parts[name] for name in key.parts if name in parts}):
            if name == "code":
                yield _code_change(cell, parts)
            elif name == "model":
                was, now = parts.get(name) or "its own", key.parts[name] or "its own"
                yield f"model changed: {was} -> {now}"
            elif name == "agent" and parts.get("model") != key.parts.get("model"):
                continue
            elif name.startswith("input "):
                yield f"upstream changed: {name.removeprefix('input ')}"
            else:
                yield f"{name} changed"


def _would_not(reason: str) -> Ending:
    """Of a node that gives nothing here."""
    return Ending("cancelled", reason=reason, failure=_NOT_YET)


def _reused(node: str, gone: Gone | None) -> Foreseen:
    if gone is None:
        return Foreseen(node, "REUSE", "nothing has changed")
    if gone.why:
        return Foreseen(node, "HALT", gone.why)
    return Foreseen(node, "REUSE", f"what it changed is gone, and is put back: {gone}")


def _code_change(cell: Cell, before: Mapping[str, str]) -> str:
    declared = cell.node.declared
    if not isinstance(declared, Node) or not before.get(SOURCE):
        return "code changed"
    changed = changed_line(before[SOURCE], written(declared.spec.fn))
    if changed is None:
        return "code changed: something that it uses"
    kind, line = changed
    return f"{kind} changed: line {line}"
