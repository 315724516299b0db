"""A run in memory: an orchfile, scripted agents, and every event in a list."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchcore.agents.adapters.protocol import Adapter
from orchcore.agents.invocation import TurnRunner
from orchcore.agents.tree import Trees
from orchcore.collection.gathering import collect
from orchcore.events import Event, InstanceEnded, NodeEnded
from orchcore.execution.clock import Clock, SystemClock
from orchcore.execution.control import Control
from orchcore.execution.endings import Ending
from orchcore.execution.fitness import ensure_agents
from orchcore.execution.ports import Approver, NullRecorder, Recorder, Ruling, Surroundings
from orchcore.execution.running import play
from orchcore.journal.cache_files import CacheFiles
from orchcore.journal.file_states import FileStates
from orchcore.journal.gate_files import Gates, MemoryGates
from orchcore.journal.past import Past
from orchcore.journal.place_files import NoPlaces, Places
from orchcore.journal.run_folder import RunFolder
from orchcore.planning.drafting import Request, draft
from orchcore.planning.plan import Plan
from orchcore.results import NodeState
from orchcore.testing.scripted import ScriptedAdapter


class MemoryRecorder:
    """Implements ``Recorder``: keeps every event in a list.

    Args:
        on_commit: Called with each event before it counts as durable; may raise
            ``RecordingError``.
    """

    def __init__(self, on_commit: Callable[[Event], None] | None = None) -> None:
        self._on_commit = on_commit
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        """Keeps *event*."""
        self.events.append(event)

    async def commit(self, event: Event) -> None:
        """Keeps *event*."""
        if self._on_commit is not None:
            self._on_commit(event)
        self.events.append(event)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal came to.

    Attributes:
        exit_code: As the command line would exit.
        endings: How every node and instance ended, by id.
        values: What every node gave that gave something, by id.
        events: What observers were told, in order.
    """

    exit_code: int
    endings: Mapping[str, Ending]
    values: Mapping[str, Any]
    events: tuple[Event, ...]

    @property
    def states(self) -> dict[str, NodeState]:
        """The state of every node and instance, by id."""
        return {id_: ending.state for id_, ending in self.endings.items()}

    def of[E](self, kind: type[E]) -> list[E]:
        """The events of one class, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def ended(self, node: str) -> NodeEnded | InstanceEnded:
        """The event that told the end of *node*.

        Raises:
            KeyError: There was none.
        """
        every: list[NodeEnded | InstanceEnded] = [*self.of(NodeEnded), *self.of(InstanceEnded)]
        return {event.node: event for event in reversed(every)}[node]


def _standard_adapters() -> dict[str, Adapter]:
    return {name: ScriptedAdapter(name) for name in ("scripted", "claude", "codex")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """An orchfile that is run without agents, processes, terminal and record.

    Attributes:
        orchfile: Its path.
        folder: Where the turns' folders go; exists.
        runner: Who makes the turns.
        request: What a command line would ask for.
        adapters: Agents by name; by default ``scripted``, ``claude`` and ``codex``, all able.
        recorder: Keeps what must survive; by default nobody.
        approver: Who is asked; ``None``: nobody can be.
        yes: Whether every gate is answered yes.
        fail_limit: After so many failed instances the run is ended.
        observe: Told every event as it happens; may stop the run.
        clock: Tells the time of waits: a ``VirtualClock`` makes hours of it in a moment.
        gates: What is known of the limits of accounts; by default nothing.
        cache: What other runs of the project made; ``None``: nothing.
        cached: Whether that is used, not only added to.
        places: Where agents of all runs on the machine take places; by default everybody has one.
        files: Keeps what agents change, so that a later one can put it back; ``None``: nobody does.
        past: What an earlier one of the same run left: ``Past.told_by(done.events)``.
        rulings: What was decided of its nodes that halt, by id.

    Example:
        >>> runner = ScriptedRunner(lambda asked: replied("done"))
        >>> done = await Rehearsal(orchfile=path, folder=tmp_path, runner=runner).run()
        >>> done.states["plan"]
        'passed'
    """

    orchfile: Path
    folder: Path
    runner: TurnRunner
    request: Request = field(default_factory=Request)
    adapters: Mapping[str, Adapter] = field(default_factory=_standard_adapters)
    recorder: Recorder = field(default_factory=NullRecorder)
    approver: Approver | None = None
    yes: bool = False
    fail_limit: int | None = None
    observe: Callable[[Event], None] | None = None
    clock: Clock = field(default_factory=SystemClock)
    gates: Gates = field(default_factory=MemoryGates)
    cache: CacheFiles | None = None
    cached: bool = True
    places: Places = field(default_factory=NoPlaces)
    files: FileStates | None = None
    past: Past = field(default_factory=Past)
    rulings: Mapping[str, Ruling] = field(default_factory=dict[str, Ruling])

    def plan(self) -> Plan:
        """The plan, checked as before any run.

        Raises:
            OrchcoreError: With every problem.
        """
        collection = collect((), str(self.orchfile), self.orchfile.parent)
        plan = draft(collection, self.request)
        ensure_agents(plan, self.adapters, {"PATH": os.defpath})
        return plan

    async def run(self, control: Control | None = None) -> Rehearsed:
        """Plans and runs it.

        Args:
            control: Ends the run early.

        Raises:
            OrchcoreError: The orchfile has problems, or the recorder failed.
            asyncio.CancelledError: Cancelled; nothing is left running.
        """
        plan = self.plan()
        events: list[Event] = []

        def publish(event: Event) -> None:
            events.append(event)
            if self.observe is not None:
                self.observe(event)

        around = Surroundings(
            runner=self.runner,
            adapters=self.adapters,
            trees=Trees(),
            folders=RunFolder("0000", self.folder, self.past.processes + 1),
            publish=publish,
            recorder=self.recorder,
            approver=self.approver,
            yes=self.yes,
            fail_limit=self.fail_limit,
            environ=dict(os.environ),
            past=self.past,
            cache=self.cache,
            cached=self.cached,
            places=self.places,
            files=self.files,
            rulings=self.rulings,
            clock=self.clock,
            gates=self.gates,
        )
        played = await play(plan, around, control or Control())
        ended = {node.id: played.endings[node.id] for node in plan.nodes}
        values = {id_: ending.value for id_, ending in ended.items() if ending.gave}
        return Rehearsed(played.exit_code, played.endings, values, tuple(events))
