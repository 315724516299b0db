"""What is read back from a journal: plain frozen values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchcore.events import Event
from orchcore.journal.run_folder import RunFolder
from orchcore.results import NodeState, Usage

type RunState = Literal["running", "ended", "died", "unreadable"]
"""``died``: its process is gone without having written the run's end."""

type WorkState = Literal["running", "passed", "failed"]
"""``running`` in a run that died: it was interrupted."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a few numbers, also while it goes on.

    Attributes:
        folder: Where it is kept.
        state: Whether it goes on, ended, died, or cannot be read.
        reason: Why it cannot be read; else empty.
        orchfile: What was run.
        argv: The command line of its last process.
        cwd: Where that was started.
        pid: Process id of its last process.
        pid_started: Unix time at which that process started.
        processes: How many worked on it: 1 and the resumes.
        started_at: Unix time of its first process's start.
        resumed_at: Unix time of its last process's start.
        worked_s: How long those before the last process worked, all together.
        ended_at: Unix time of its end; ``None`` while it runs and if it died.
        last_at: Unix time of the last thing that was recorded.
        exit_code: As recorded at its end.
        states: How many nodes ended in each state, as ``RunEnded`` counts them.
        faults: What went wrong and is no node's state, as ``RunEnded`` tells it.
        cost_usd: What the priced turns cost together.
        turns: How many turns ended.
        unpriced_turns: How many of them have no known price.
        simulated: Whether a demo agent had a part in it.
    """

    folder: RunFolder
    state: RunState
    reason: str = ""
    orchfile: str = ""
    argv: tuple[str, ...] = ()
    cwd: Path = Path()
    pid: int | None = None
    pid_started: float = 0.0
    processes: int = 0
    started_at: float = 0.0
    resumed_at: float = 0.0
    worked_s: float = 0.0
    ended_at: float | None = None
    last_at: float = 0.0
    exit_code: int | None = None
    states: dict[str, int] = field(default_factory=dict[str, int])
    cost_usd: float = 0.0
    turns: int = 0
    unpriced_turns: int = 0
    simulated: bool = False
    faults: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.id

    def duration_s(self, now: float) -> float:
        """For how many seconds processes worked on it; until *now* (unix time) while it runs.

        Of one that died: until the last thing that it recorded.
        """
        ended_at = now if self.state == "running" else self.ended_at or self.last_at
        return self.worked_s + max(0.0, ended_at - self.resumed_at)


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event with its place in the journal: 1, 2, 3, ..."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """The last final state of a node or instance.

    Attributes:
        node: Node or instance id.
        is_instance: Whether it is one of a fan-out's.
        attempt: The attempt that gave it.
        state: What it came to.
        value: Its result as JSON; ``None`` if there is none.
        value_digest: SHA-256 of *value*.
        ended_at: Unix time.
        ended_seq: Number of the event that tells it.
        key: Digest of all it depended on; ``None`` if it was recorded without one.
    """

    node: str
    is_instance: bool
    attempt: int
    state: NodeState
    value: str | None
    value_digest: str | None
    ended_at: float
    ended_seq: int
    key: str | None


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """One turn of an agent.

    Attributes:
        node: Node or instance id.
        attempt: From 1.
        turn: ``turn-1``: unique within the attempt of one process.
        parent: The turn before it in its conversation.
        agent: Configured name.
        adapter: Kind of CLI.
        model: As requested.
        prompt_digest: SHA-256 of the prompt.
        folder: Where its transcript is.
        session_id: The conversation's id at the CLI.
        state: What it came to so far.
        answer: Its answer as JSON; ``None`` until it has one.
        usage: Its tokens.
        cost_usd: Its price; ``None`` if unknown.
        simulated: Whether a demo agent made it up.
        started_at: Unix time.
        ended_at: Unix time; ``None`` if its end was not recorded.
        started_seq: Number of the event that tells its start.
        ended_seq: Number of the event that tells its end.
        key: Digest of all it depended on; ``None`` if it was recorded without one.
    """

    node: str
    attempt: int
    turn: str
    parent: str | None
    agent: str
    adapter: str
    model: str | None
    prompt_digest: str
    folder: str
    session_id: str | None
    state: WorkState
    answer: str | None
    usage: Usage
    cost_usd: float | None
    simulated: bool
    started_at: float
    ended_at: float | None
    started_seq: int
    ended_seq: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One step or command that a body called; *value* is its result as JSON."""

    node: str
    attempt: int
    path: str
    step: Literal["step", "command"]
    label: str
    state: WorkState
    value: str | None
    exit_code: int | None
    started_at: float
    ended_at: float | None
    started_seq: int
    ended_seq: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that is recorded of one run, as of one moment.

    Attributes:
        summary: The run in a few numbers.
        events: All that happened, in order.
        results: Each node's and instance's last final state, in the order they were reached.
        turns: All turns, in the order they were started.
        steps: All steps and commands, in the order they were started.
    """

    summary: RunSummary
    events: tuple[NumberedEvent, ...]
    results: tuple[RecordedResult, ...]
    turns: tuple[RecordedTurn, ...]
    steps: tuple[RecordedStep, ...]
