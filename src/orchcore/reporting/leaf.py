"""What gets a line of its own: a node without instances, or one instance of a fan-out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchcore.events import (
    AgentEvent,
    FinalGiven,
    InstanceEnded,
    LimitAwaited,
    LimitNoticed,
    NodeEnded,
    RetryNoticed,
    RetryScheduled,
    TextWritten,
    ThinkingWritten,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UsageReported,
)
from orchcore.results import Failure, NodeState

FINAL: frozenset[NodeState] = frozenset(
    {"passed", "failed", "blocked", "skipped", "partial", "reused", "cancelled", "paused"}
)
_TEXT_KEPT = 400
_DOING: Mapping[str, str] = {
    "edit": "Editing",
    "multiedit": "Editing",
    "apply_patch": "Editing",
    "replace": "Editing",
    "write": "Writing",
    "write_file": "Writing",
    "read": "Reading",
    "read_file": "Reading",
    "view": "Reading",
    "bash": "Running",
    "shell": "Running",
    "command_execution": "Running",
    "run_shell_command": "Running",
    "grep": "Searching",
    "websearch": "Searching",
    "glob": "Finding",
    "webfetch": "Fetching",
    "task": "Delegating",
}


@dataclass(slots=True)
class Leaf:
    """Where one node or instance stands; changed by its ``Story`` only.

    All times are unix seconds. Texts are raw: displays clean them when they draw.

    Attributes:
        attempt: The current attempt, from 1; 0 before the first.
        attempts: How many there may be, once a retry told.
        started_at: When it started, later by each wait for a free slot: such waits count for
            nothing.
        said_at: The last sign of life of a running turn.
        reused_turns: Turns of its last attempt that were paid before.
        idle_limit_s: Silence that ends that turn, if known.
        activity: What it does now: ``Editing src/auth.py``.
        wrote: The end of what the agent is writing at the moment.
        question: What a gate asks, while it asks.
        answered_by: Who answered the gate.
        retry: The retry it waits for.
        limited: Whether its account is held by a rate limit.
        limited_until: When that ends, if known.
        failures: Of turns, steps and commands of this attempt, by name.
        end: Its last event.
    """

    id: str
    node: str
    state: NodeState = "waiting"
    attempt: int = 0
    attempts: int = 0
    started_at: float | None = None
    said_at: float | None = None
    idle_limit_s: float | None = None
    agent: str = ""
    activity: str = ""
    wrote: str = ""
    question: str = ""
    answered_by: str = ""
    retry: RetryScheduled | None = None
    limited: bool = False
    limited_until: float | None = None
    turns: int = 0
    reused_turns: int = 0
    unpriced_turns: int = 0
    simulated: bool = False
    failures: dict[str, Failure] = field(default_factory=dict[str, Failure])
    end: InstanceEnded | NodeEnded | None = None
    _queued_at: float | None = None
    _spent_usd: float | None = None
    _running_usd: dict[str, float | None] = field(default_factory=dict[str, float | None])

    @property
    def cost_usd(self) -> float | None:
        """What is known to be spent, running turns included; ``None``: nothing is known."""
        known = [
            cost for cost in (self._spent_usd, *self._running_usd.values()) if cost is not None
        ]
        return sum(known) if known else None

    @property
    def ended(self) -> bool:
        """Whether it reached its final state."""
        return self.state in FINAL

    def elapsed_s(self, now: float) -> float:
        """How long it works or worked, waits for slots left out; 0 before its start."""
        if self.end is not None:
            return self.end.duration_s
        if self.started_at is None:
            return 0.0
        return max((now if self._queued_at is None else self._queued_at) - self.started_at, 0.0)

    @property
    def queued(self) -> bool:
        """Whether all that it does waits for a free slot."""
        return self._queued_at is not None

    def idle_s(self, now: float) -> float:
        """How long its running turn has said nothing; 0 when no turn runs."""
        return max(now - self.said_at, 0.0) if self.said_at is not None else 0.0

    def start(self, at: float, attempt: int) -> None:
        """An attempt begins; the first one starts the clock."""
        self.state = "running"
        self.attempt = max(attempt, 1)
        self.started_at = at if self.started_at is None else self.started_at
        self.retry = None
        self.activity = self.wrote = ""
        self.failures.clear()
        self.reused_turns = 0
        self._release()

    def queue(self, at: float, *, waits: bool) -> None:
        """All that it does waits for a free slot from now on, or no longer."""
        if waits:
            self.state, self._queued_at = "waiting", at
        elif self._queued_at is not None:
            if self.started_at is not None:
                self.started_at += at - self._queued_at
            self.state, self._queued_at = "running", None

    def start_turn(self, turn: TurnStarted) -> None:
        """An agent process is about to start."""
        if self.state == "waiting":
            self.start(turn.at, turn.attempt)
        self._release()
        self.agent = turn.agent
        self.activity = f"asking {turn.agent}"
        self.wrote = ""
        self.said_at = turn.at
        self.idle_limit_s = turn.idle_s
        self._running_usd[turn.turn] = None

    def end_turn(self, turn: TurnEnded) -> None:
        """An agent process is gone: its price is final, known or not."""
        self.note_failure(turn.turn, turn.failure)
        self._running_usd.pop(turn.turn, None)
        self.turns += 1
        self.simulated |= turn.simulated
        if turn.cost_usd is None:
            self.unpriced_turns += 1
        else:
            self._spent_usd = (self._spent_usd or 0.0) + turn.cost_usd
        if not self._running_usd:
            self.said_at = None
        self.activity = self.wrote = ""

    def note_failure(self, what: str, failure: Failure | None) -> None:
        """*what* failed, if it did; one that a failed turn let fail as well is not told twice."""
        cut = failure is None or failure.kind in {"cancelled", "skipped"}
        if failure is not None and not cut and failure not in self.failures.values():
            self.failures[what] = failure

    def hear(self, at: float, turn: str, said: AgentEvent) -> None:
        """The agent of *turn* said something."""
        self.said_at = at
        if isinstance(said, TextWritten):
            self._release()
            self.wrote = _joined(self.wrote, said)
            self.activity = ""
        elif isinstance(said, ToolStarted):
            self._release()
            self.activity = _doing(said)
            self.wrote = ""
        elif isinstance(said, UsageReported):
            self._running_usd[turn] = said.cost_usd
        else:
            self._hear_rarely(said)

    def schedule_retry(self, retry: RetryScheduled) -> None:
        """The attempt failed; another one follows."""
        self.retry = retry
        self.attempts = retry.attempts
        self.said_at = None
        self._running_usd.clear()
        self.activity = self.wrote = ""

    def finish(self, end: InstanceEnded | NodeEnded) -> None:
        """Nothing more happens to it. Sums that *end* tells win over what was counted here."""
        self.state = end.state if end.state in FINAL else "failed"
        self.end = end
        self.retry = self.said_at = self._queued_at = None
        self.question = ""
        self.limited = False
        self.simulated |= end.simulated
        self._running_usd.clear()
        if end.turns or end.cost_usd is not None:
            self.turns, self.unpriced_turns = end.turns, end.unpriced_turns
            self._spent_usd = end.cost_usd

    def await_limit(self, event: LimitAwaited) -> None:
        """It waits for its agent's account."""
        self.agent = event.agent
        self.limited = True
        self.limited_until = event.until

    def _hear_rarely(self, said: AgentEvent) -> None:
        if isinstance(said, ThinkingWritten):
            self.activity = "thinking"
        elif isinstance(said, RetryNoticed):
            wait = f", again in {said.delay_s:.0f}s" if said.delay_s else ""
            self.activity = f"{said.reason}{wait}"
        elif isinstance(said, LimitNoticed):
            self.limited = not said.status.startswith("allowed")
            self.limited_until = said.resets_at
        elif isinstance(said, FinalGiven):
            self.activity = "finishing"

    def _release(self) -> None:
        self.limited = False
        self.limited_until = None


def _doing(tool: ToolStarted) -> str:
    verb = _DOING.get(tool.name.lower())
    return f"{verb or tool.name} {tool.summary}" if tool.summary else verb or tool.name


def _joined(before: str, said: TextWritten) -> str:
    """The end of what was written: its last line is what a display shows."""
    text = before + said.text[-_TEXT_KEPT:] if said.partial else said.text[-_TEXT_KEPT:]
    return text[-_TEXT_KEPT:]
