"""Runs a plan: every node as soon as its own inputs are ready, on one task group.

A node is one task that awaits what it needs. A fan-out's task makes one task per instance as
soon as the instances are known; an element-wise instance awaits its own element only, so there
is no barrier. Every task settles its cell exactly once, whatever happens to it.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from orchcore.declarations.gates import Approval
from orchcore.declarations.sources import Condition, Picked, Source
from orchcore.events import InstanceEnded, NodeEnded, NodeExpanded
from orchcore.execution.attempts import Attempts, Revision
from orchcore.execution.endings import Ending, Missing, Value, combined, got
from orchcore.execution.foreseeing import Foreseer
from orchcore.execution.gating import Gatekeeper
from orchcore.execution.inputs import Expansion, InputDesk
from orchcore.execution.resolving import Cell, Resolver, ending_of, through
from orchcore.execution.scene import Scene
from orchcore.execution.shielding import finished
from orchcore.planning.fanning import FanError, Shape
from orchcore.planning.plan import Fan, Plan, PlannedNode
from orchcore.results import Failure


class Scheduler:
    """Runs the nodes of one plan.

    Args:
        plan: What to run.
        scene: What bodies get.
        gatekeeper: Asks people.
        fail_limit: After so many failed instances the run is ended; ``None``: never.
        foreseer: Stands where attempts and gates are, if nothing is to be run.
    """

    def __init__(
        self,
        plan: Plan,
        scene: Scene,
        gatekeeper: Gatekeeper,
        fail_limit: int | None,
        foreseer: Foreseer | None = None,
    ) -> None:
        self._scene = scene
        self._gatekeeper = gatekeeper
        gatekeeper.revise = self.revised
        self._control = scene.control
        self._fail_limit = fail_limit
        self._foreseer = foreseer
        self._failed = 0
        self._journalist = scene.office.journalist
        self._tasks: dict[asyncio.Task[None], None] = {}  # in their order, also when all are ended
        self.cells = {node.declared: _cell(node) for node in plan.nodes}
        scene.reuse.lineage.follow(self.cells.values())
        self._resolver = Resolver(self.cells, plan.parameters)
        self._inputs = InputDesk(self._resolver, scene.opened, plan.folder)

    async def run(self) -> None:
        """Returns when every node has ended; each cell then says how."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for cell in self.cells.values():
                self._start(cell, self._ending(cell))

    def cancel(self) -> None:
        """Ends every node that has not ended, each once."""
        for task in tuple(self._tasks):
            if not task.cancelling():
                task.cancel()

    def _start(self, cell: Cell, work: Coroutine[Any, Any, Ending]) -> asyncio.Task[None]:
        task = self._group.create_task(self._settled(cell, work), name=cell.id)
        self._tasks[task] = None

        def done(task: asyncio.Task[None]) -> None:
            # a task cancelled before its first step never ran a line: its cell is settled here
            self._tasks.pop(task, None)
            work.close()
            if not cell.settled.done():
                ending = _cancelled(cell, self._control.stopped)
                self._journalist.say(_event(cell, ending))
                _settle(cell, ending)

        task.add_done_callback(done)
        if self._control.stopped is not None:
            task.cancel()
        return task

    async def _settled(self, cell: Cell, work: Coroutine[Any, Any, Ending]) -> None:
        ending = await work
        if not ending.duration_s:
            ending = replace(ending, duration_s=_lasted_s(cell))
        event = _event(cell, ending)
        try:
            if ending.gave:
                await self._journalist.commit(event)
                self._scene.office.cache.keep(cell, event, self._scene.office.around.folders.id)
            else:
                self._journalist.say(event)
        finally:
            self._scene.reuse.lineage.settle(cell)
            _settle(cell, ending)
        self._count(cell, ending)

    async def _ending(self, cell: Cell) -> Ending:
        node = cell.node
        try:
            lost = await self._not_now(node)
            shared = lost or await self._inputs.shared(node)
            if isinstance(shared, Missing):
                return shared.ending()
            if node.fan is None:
                return await self._one(cell, shared)
            return await self._fanned(cell, node.fan, shared)
        except FanError as error:
            failure = Failure("error", str(error))
            return Ending("failed", reason=str(error), failure=failure)

    async def _not_now(self, node: PlannedNode) -> Missing | None:
        """Why *node* does not run, by its condition or what it comes after."""
        if isinstance(node.when, Condition):
            lost = await self._resolver.condition(node.when, self._scene.opened)
            if lost is not None:
                return lost
        elif not node.when:
            reason = f"when= is false  {node.where}"
            return Missing("skipped", reason, Failure("skipped", reason))
        for source in node.after:
            found = await self._resolver.source(source, self._scene.opened)
            if isinstance(found, Missing):
                return found
        return None

    async def _one(self, cell: Cell, values: Mapping[str, object]) -> Ending:
        if self._foreseer is not None:
            return await self._foreseen(self._foreseer, cell, values)
        if cell.node.role == "gate":
            return await self._gatekeeper.ask(cell, values["value"])
        cell.values = values
        late = self._inputs.late(cell.node)
        return await Attempts(self._scene, cell, late).run(values)

    async def _foreseen(
        self, foreseer: Foreseer, cell: Cell, values: Mapping[str, object]
    ) -> Ending:
        if cell.node.role == "gate":
            return foreseer.gate(cell, self._gatekeeper.known(cell, values["value"]))
        return await foreseer.attempt(cell, values)

    async def revised(self, gate: Cell, comment: str) -> Ending:
        """Has the phase before *gate* go on in its conversation; ends with the gate's new value."""
        source = cast("Approval", gate.node.declared).source
        cell = self._revisable(gate, source)
        ending = None if cell is None else await ending_of(cell)
        session = None if cell is None or ending is None else cell.session or ending.session
        if cell is None or session is None or session.session_id is None:
            reason = f"{source.name} cannot be revised: it is no agent's phase with a conversation"
            hint = f"orchcore approve {self._scene.office.around.folders.id} {gate.id} --yes, --no"
            reason = f"{reason}; answer otherwise ({hint} or --edit FILE)"
            return Ending("paused", reason=reason, failure=Failure("blocked", reason))
        late = self._inputs.late(cell.node)
        revision = Revision(comment, session)
        again = await Attempts(self._scene, cell, late, revision).run(cell.values)
        if not again.gave:
            reason = f"the revision of {cell.id} {again.state}: {again.reason}"
            return Ending("failed", reason=reason, failure=again.failure)
        cell.session = again.session
        gate.spent.leave(cell.spent.left, cell.spent.left_at)
        await self._journalist.commit(_event(cell, again))
        found = through(source, Value(again.value))
        return found.ending() if isinstance(found, Missing) else replace(again, value=found.value)

    def _revisable(self, gate: Cell, source: Source[Any]) -> Cell | None:
        """The agent's phase, or its instance, whose value *gate* is about."""
        while isinstance(source, Picked):
            source = source.source
        cell = self.cells.get(cast("Any", source))
        if cell is None or cell.node.role != "agent":
            return None
        if cell.node.fan is None:
            return cell if gate.shape is None else None
        return None if gate.shape is None else cell.instances.get(gate.shape.position)

    async def _fanned(self, cell: Cell, fan: Fan, shared: Mapping[str, object]) -> Ending:
        cell.began = time.monotonic()
        expansion = await self._inputs.expansion(cell.node, fan)
        if isinstance(expansion, Missing):
            return expansion.ending()
        instances = {
            shape.label: _instance_cell(cell, shape, identity)
            for shape, identity in zip(expansion.shapes, expansion.identities, strict=True)
        }
        round_ = _Round(fan, shared, expansion, instances, asyncio.Semaphore(fan.parallel))
        cell.instances.update({one.shape.position: one for one in instances.values() if one.shape})
        if cell.shapes is not None:
            cell.shapes.set_result(expansion.shapes)
        ids = tuple(one.id for one in instances.values())
        self._journalist.say(NodeExpanded(time.time(), cell.id, ids))
        tasks = [self._start(one, self._instance(one, round_)) for one in instances.values()]
        if fan.fail_fast:
            for one in instances.values():
                one.settled.add_done_callback(partial(_cancel_siblings, one, round_, tasks))
        # a cancellation of the run reaches the instances, too: what they came to is told first
        await finished(*(one.settled for one in instances.values()))
        return combined([(one.id, one.settled.result()) for one in instances.values()], fan.quorum)

    async def _instance(self, cell: Cell, round_: "_Round") -> Ending:
        shape = cell.shape
        assert shape is not None  # noqa: S101  instances have shapes
        for label in round_.expansion.after.get(shape.label, ()):
            if (before := round_.instances.get(label)) is not None:
                found = got(before.id, await ending_of(before))
                if isinstance(found, Missing):
                    return found.ending()
        own = await self._inputs.own(cell.node, round_.fan, shape, round_.expansion)
        if isinstance(own, Missing):
            return own.ending()
        async with round_.slots:
            return await self._one(cell, {**round_.shared, **own})

    def _count(self, cell: Cell, ending: Ending) -> None:
        """Ends the run after as many failures as the user allows."""
        if ending.state != "failed" or cell.node.options.optional or cell.instances:
            return
        self._failed += 1
        if self._fail_limit is not None and self._failed >= self._fail_limit:
            noun = "failure" if self._failed == 1 else "failures"
            self._control.stop(f"{self._failed} {noun}", interrupted=False)


@dataclass(frozen=True, slots=True)
class _Round:
    """What the instances of one fan-out share."""

    fan: Fan
    shared: Mapping[str, object]
    expansion: Expansion
    instances: Mapping[str, Cell]
    slots: asyncio.Semaphore


def _cell(node: PlannedNode) -> Cell:
    loop = asyncio.get_running_loop()
    cell = Cell(node.id, node, loop.create_future(), identity=node.id)
    if node.fan is not None:
        cell.shapes = loop.create_future()
    return cell


def _instance_cell(cell: Cell, shape: Shape, identity: str) -> Cell:
    settled: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
    name = f"{cell.id}:{identity}"
    return Cell(f"{cell.id}:{shape.label}", cell.node, settled, shape, identity=name)


def _settle(cell: Cell, ending: Ending) -> None:
    """Says how *cell* ended; a fan-out that ended before its instances were known never has any."""
    found = got(cell.id, ending)
    if cell.shapes is not None and not cell.shapes.done():
        cell.shapes.set_result(found if isinstance(found, Missing) else ())
    cell.settled.set_result(ending)


def _cancel_siblings(
    cell: Cell, round_: _Round, tasks: list[asyncio.Task[None]], settled: asyncio.Future[Ending]
) -> None:
    if settled.result().state == "failed":
        for sibling, task in zip(round_.instances.values(), tasks, strict=True):
            if not task.done() and not task.cancelling():
                sibling.cut_by = cell.id
                task.cancel()


def _cancelled(cell: Cell, stopped: str | None) -> Ending:
    reason = "the run was ended" if stopped is not None else "it was cancelled"
    if cell.cut_by:
        reason = f"{cell.cut_by} failed (fail_fast)"
    failure = Failure("cancelled", reason)
    return Ending(
        "cancelled",
        reason=reason,
        failure=failure,
        attempt=cell.attempt,
        duration_s=_lasted_s(cell),
        spent=cell.spent,
    )


def _lasted_s(cell: Cell) -> float:
    """How long its body or its instances ran; 0 if they never did."""
    return 0.0 if cell.began is None else time.monotonic() - cell.began - cell.waited_s


def _event(cell: Cell, ending: Ending) -> InstanceEnded | NodeEnded:
    fields: dict[str, Any] = {
        "state": ending.state,
        "duration_s": ending.duration_s,
        "attempt": ending.attempt,
        "reason": ending.reason,
        "failure": ending.failure,
        "value": ending.stored,
        "brief": ending.brief,
        "trace": ending.trace,
        "last_lines": ending.spent.last_lines,
        "cost_usd": ending.spent.known_usd,
        "turns": ending.spent.turns,
        "unpriced_turns": ending.spent.unpriced,
        "folder": ending.spent.folder,
        "simulated": ending.spent.simulated,
        "key": ending.key,
        "key_parts": ending.key_parts,
        "session": ending.session,
    }
    if cell.shape is not None:
        return InstanceEnded(time.time(), cell.id, **fields)
    return NodeEnded(time.time(), cell.id, **fields, optional=cell.node.options.optional)
