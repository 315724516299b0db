"""What execution needs from the outside: declared here, connected by the pipeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchcore.agents.adapters.protocol import Adapter
from orchcore.agents.invocation import TurnRunner
from orchcore.agents.tree import Trees
from orchcore.events import Event
from orchcore.execution.clock import Clock, SystemClock
from orchcore.journal.cache_files import CacheFiles
from orchcore.journal.file_states import FileStates
from orchcore.journal.gate_files import Gates, MemoryGates
from orchcore.journal.past import Past
from orchcore.journal.place_files import NoPlaces, Places


class Recorder(Protocol):
    """Keeps what must survive. Awaited: a result is durable before anything uses it."""

    def note(self, event: Event) -> None:
        """Takes *event* in order; it is durable soon, and before any later ``commit``."""
        ...

    async def commit(self, event: Event) -> None:
        """Returns when *event* and all before it are durable.

        Raises:
            RecordingError: It cannot be written; the run must end.
        """
        ...


class NullRecorder:
    """Keeps nothing: for measuring, and for runs that need no record."""

    def note(self, event: Event) -> None:
        """Forgets *event*."""

    async def commit(self, event: Event) -> None:
        """Forgets *event*."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to a gate.

    Attributes:
        approved: Yes or no.
        by: Who.
        edited: The value that goes on in place of the one shown, as JSON; ``None``: that one.
        comment: What is to be revised before it is asked again; empty: nothing.
    """

    approved: bool
    by: str
    edited: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked.

    Attributes:
        text: In words.
        value: What is to be approved, pretty-printed.
        before: The same as it was when a revision of it was asked for; empty at first.
        problem: Why the last answer cannot be taken; empty at first.
        draft: Where a copy of the value may be put to be edited.
    """

    text: str
    value: str
    before: str = ""
    problem: str = ""
    draft: Path | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person decided of a node that may not simply run again.

    Attributes:
        rerun: It runs once more, one attempt.
        value: Otherwise it has passed with this, as JSON; ``None``: with what it gave, if anything.
    """

    rerun: bool
    value: str | None = None


class Approver(Protocol):
    """Asks a person."""

    async def ask(self, question: Question) -> Answer | None:
        """The answer to *question*; waits as long as it takes. ``None``: nobody can be asked."""
        ...


class Folders(Protocol):
    """Where a run keeps its files."""

    @property
    def id(self) -> str:
        """The run's id."""
        ...

    @property
    def path(self) -> Path:
        """The run's own folder."""
        ...

    @property
    def pause_mark(self) -> Path:
        """A file that is there while no further turn may start."""
        ...

    @property
    def sessions(self) -> Path:
        """A folder for adapters that keep conversations as files; exists."""
        ...

    def turn_folder(self, node_id: str, attempt: int, turn: int) -> Path:
        """A new folder for one turn's transcript."""
        ...

    def answer_file(self, gate_id: str) -> Path:
        """Where an answer to a gate is left by another process; its folder may not exist."""
        ...

    def artifacts(self, node_id: str) -> Path:
        """An instance's own folder; it may not exist yet."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a run uses that is not in its plan.

    Attributes:
        runner: Runs turns.
        adapters: Adapters by name.
        trees: The living process trees.
        recorder: Keeps what must survive.
        publish: Tells observers; never raises, never blocks.
        folders: Where files go.
        approver: Asks people; ``None`` where nobody can be asked.
        yes: Whether every gate is answered yes.
        fail_limit: After so many failed instances the run is stopped; ``None``: never.
        environ: Our environment.
        secrets: Names of the variables in it whose values are not shown.
        past: What earlier processes left of this run.
        gates: Where it is kept which accounts may be used.
        places: Where agents of all runs take places.
        cache: What other runs of the project made; ``None``: nothing.
        cached: Whether that is used, not only added to.
        files: Keeps what agents change; ``None``: nobody does.
        clock: Tells the time of waits.
        rulings: What was decided of nodes and instances that halt, by id.
    """

    runner: TurnRunner
    adapters: Mapping[str, Adapter]
    trees: Trees
    folders: Folders
    publish: Callable[[Event], None]
    recorder: Recorder = field(default_factory=NullRecorder)
    approver: Approver | None = None
    yes: bool = False
    fail_limit: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = ()
    past: Past = field(default_factory=Past)
    gates: Gates = field(default_factory=MemoryGates)
    places: Places = field(default_factory=NoPlaces)
    cache: CacheFiles | None = None
    cached: bool = True
    files: FileStates | None = None
    clock: Clock = field(default_factory=SystemClock)
    rulings: Mapping[str, Ruling] = field(default_factory=dict[str, Ruling])
