"""One run, from its first event to its last: the stage on which a plan is played."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchcore.declarations.edges import UNSET
from orchcore.events import NodeDrawn, RunEnded, RunStarted, StopRequested
from orchcore.execution.asking import Office
from orchcore.execution.budget import Treasury
from orchcore.execution.caching import Cache
from orchcore.execution.choosing import AgentBook
from orchcore.execution.control import Control
from orchcore.execution.edited_files import EditedFiles
from orchcore.execution.endings import Ending, Spent, Verdict, exit_code
from orchcore.execution.foreseeing import Foreseen, Foreseer
from orchcore.execution.gating import Gatekeeper
from orchcore.execution.given import Given
from orchcore.execution.governor import Governor
from orchcore.execution.janitor import Janitor
from orchcore.execution.journalist import Journalist
from orchcore.execution.limits import Slots, stood_still
from orchcore.execution.machine import Machine
from orchcore.execution.memory import Memory
from orchcore.execution.opening import Opened
from orchcore.execution.ports import Surroundings
from orchcore.execution.preparations import Preparations
from orchcore.execution.resolving import Cell
from orchcore.execution.reusing import Reuse
from orchcore.execution.scene import Scene
from orchcore.execution.scheduler import Scheduler
from orchcore.execution.shielding import finished
from orchcore.journal.gate_files import MemoryGates
from orchcore.journal.past import Past
from orchcore.planning.plan import Plan, PlannedNode
from orchcore.planning.selection import known_instances
from orchcore.results import FileState, NodeState, counted_states


@dataclass(frozen=True, slots=True)
class Played:
    """What a run came to.

    Attributes:
        exit_code: Of several that apply the first of 3, 2, 11, 12, 1, 10.
        endings: Of every node and instance, by id.
        given: What its sources gave.
    """

    exit_code: int
    endings: Mapping[str, Ending]
    given: Given


async def play(plan: Plan, around: Surroundings, control: Control) -> Played:
    """Runs *plan*; when it returns, or raises, nothing of it is left running.

    Raises:
        RecordingError: The run could not be recorded; it was ended in order.
        asyncio.CancelledError: Cancelled; every agent's tree is gone and resources are closed.
    """
    run = _Run(plan, around, control)
    run.begin(await run.office.files.first_look())
    loop = asyncio.get_running_loop()
    nodes = loop.create_task(run.scheduler.run(), name="nodes")
    try:
        cancelled = await _heeded(nodes, control)
        bug = None if nodes.cancelled() else nodes.exception()
        control.internal |= bug is not None
        ending = loop.create_task(run.end(), name="end-of-run")
        cancelled = await finished(ending) or cancelled
    finally:
        control.release()
    played = ending.result()
    for error in (bug, cancelled, run.journalist.failure):
        if error is not None:
            raise error
    return played


def treasury_of(plan: Plan, past: Past) -> Treasury:
    """The budgets of *plan*, with what earlier processes spent of them."""
    phases = {
        node.id: node.options.budget_usd
        for node in plan.nodes
        if node.options.budget_usd is not None
    }
    return Treasury(plan.budget_usd, phases, past.spent_usd, past.costs_usd)


async def foresee(plan: Plan, around: Surroundings) -> tuple[Foreseen, ...]:
    """What resuming would do to every node and instance of *plan*; nothing is run or recorded."""
    run = _Run(plan, around, Control())
    reuse = run.scene.reuse
    foreseer = Foreseer(reuse, run.office)
    scheduler = Scheduler(plan, run.scene, run.gatekeeper, None, foreseer)
    await scheduler.run()
    await run.opened.close()
    return tuple(foreseer.rest(scheduler.cells.values()))


async def _heeded(nodes: asyncio.Task[None], control: Control) -> asyncio.CancelledError | None:
    """Waits for *nodes*; a cancellation of ours ends the run in order, as a signal would."""
    try:
        await asyncio.wait([nodes])
    except asyncio.CancelledError as error:
        control.stop("cancelled")
        return await finished(nodes) or error
    return asyncio.CancelledError() if nodes.cancelled() else None


class _Run:
    """The parts of one run, put together."""

    def __init__(self, plan: Plan, around: Surroundings, control: Control) -> None:
        self.plan = plan
        self.around = around
        self.control = control
        self.began = time.monotonic()
        self.journalist = Journalist(around, control)
        self.preparations = Preparations(around, plan.folder, self.journalist.warn)
        book = AgentBook(plan, around.adapters)
        self.memory = memory = Memory(around.past)
        treasury = treasury_of(plan, around.past)
        self.office = office = Office(
            around,
            Slots(plan.jobs),
            self.journalist,
            book,
            self.preparations,
            plan.folder,
            memory,
            treasury,
            Governor(around.gates, around.clock),
            Governor(MemoryGates(), around.clock),
            EditedFiles(around.files, around.past, self.journalist.warn),
            Machine(
                around.places, plan.config.max_agents(plan.jobs), around.clock, self.journalist.warn
            ),
            Cache(around.cache, around.clock, takes=around.cached),
        )
        self.opened = Opened(plan.parameters, self.journalist.warn)
        self.janitor = Janitor(self.journalist.warn, self.opened.patience)
        reuse = Reuse(plan, book, memory, office.cache)
        self.scene = Scene(plan, office, self.opened, self.janitor, control, reuse)
        self.gatekeeper = Gatekeeper(around, self.journalist, memory, plan.folder)
        self.scheduler = Scheduler(plan, self.scene, self.gatekeeper, around.fail_limit)

    def begin(self, files: tuple[FileState, ...]) -> None:
        """Says what is about to run, and lets others end it."""
        secrets = {spec.name for spec in self.plan.specs if spec.secret}
        self.journalist.say(
            RunStarted(
                time.time(),
                self.around.folders.id,
                str(self.plan.orchfile),
                self.plan.jobs,
                tuple(_drawn(node) for node in self.plan.nodes),
                {
                    name: "***" if name in secrets else str(value)
                    for name, value in self.plan.parameters.items()
                    if value is not UNSET  # only nodes that are not selected take it
                },
                str(self.around.folders.path),
                secrets=self.around.secrets,
                budget_usd=self.plan.budget_usd,
                resumes=self.around.past.processes,
                files=files,
            )
        )
        self.control.bind(self._stop, self._hurry, self._suspend, self.journalist.warn)

    async def end(self) -> Played:
        """Closes what is open, ends what is left, and says how it went."""
        await self.preparations.finish()
        await self.opened.close()
        await self.janitor.finish()
        for leftover in await self.around.trees.sweep_orphans():
            self.journalist.warn(f"left running, could not be ended: {leftover}")
        endings = dict(_endings(self.scheduler.cells))
        code = self._exit_code()
        files = await self.office.files.last_look()
        await self.journalist.commit(self._ended(code, files))
        return Played(code, endings, Given(self.plan, self.scheduler.cells, self.opened))

    def _exit_code(self) -> int:
        verdicts: list[Verdict] = []
        for cell in self.scheduler.cells.values():
            ending = cell.settled.result()
            verdicts.append((ending.state, cell.node.options.optional, ending.declined))
        return exit_code(
            verdicts,
            interrupted=self.control.interrupted,
            internal=self.control.internal,
            untidy=any(self._untidy()),
            exhausted=self._exhausted(),
            gave_up=self.office.governor.gave_up or self.office.rehearsed.gave_up,
        )

    def _exhausted(self) -> bool:
        """Whether something failed because there was no money for it."""
        endings = (
            one.settled.result()
            for cell in self.scheduler.cells.values()
            for one in (cell, *cell.instances.values())
        )
        return any(one.failure is not None and one.failure.kind == "budget" for one in endings)

    def _ended(self, code: int, files: tuple[FileState, ...]) -> RunEnded:
        states: Counter[str] = Counter()
        spent = Spent()
        for cell in self.scheduler.cells.values():
            ending = cell.settled.result()
            instances: list[NodeState]
            instances = [one.settled.result().state for one in cell.instances.values()]
            states.update(counted_states(ending.state, instances))
            spent.add(ending.spent)
        return RunEnded(
            time.time(),
            self.around.folders.id,
            code,
            time.monotonic() - self.began,
            dict(states),
            spent.cost_usd,
            spent.turns,
            spent.unpriced,
            spent.simulated,
            (*self._declined(), *self._untidy()),
            files,
        )

    def _declined(self) -> Iterator[str]:
        for cell in self.scheduler.cells.values():
            for one in cell.instances.values() or (cell,):
                if one.settled.result().declined:
                    yield f"{one.id} was {one.settled.result().reason}"

    def _untidy(self) -> Iterator[str]:
        """What does not belong to any node and is wrong all the same."""
        yield from self.opened.unclosed
        if self.janitor.left:
            yield "tasks were left behind that do not end"
        if self.control.disturbed:
            yield "something that no body started tried to end the program"

    def _stop(self, reason: str) -> None:
        self.journalist.say(StopRequested(time.time(), reason))
        self.opened.patience.stop()
        self.scheduler.cancel()

    def _hurry(self) -> None:
        self.journalist.say(StopRequested(time.time(), "again", forced=True))
        self.opened.patience.hurry()
        self.around.trees.hurry()

    def _suspend(self, stop: bool) -> None:
        if stop:
            self.around.trees.stop_all()
        else:
            stood_still(self.around.trees.continue_all())


def _endings(cells: Mapping[Any, Cell]) -> Iterator[tuple[str, Ending]]:
    for cell in cells.values():
        for one in (cell, *cell.instances.values()):
            yield one.id, one.settled.result()


def _drawn(node: PlannedNode) -> NodeDrawn:
    return NodeDrawn(
        node.id,
        node.role,
        node.needs,
        node.fan is not None,
        known_instances(node) or (),
        str(node.where),
        node.options.optional,
    )
