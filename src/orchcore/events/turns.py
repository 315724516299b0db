"""What happened in the turns, steps and commands of a run, one class per happening."""

from dataclasses import dataclass
from typing import Literal

from orchcore.events.said import AgentEvent
from orchcore.policies import Permission
from orchcore.results import Failure, FileState, Usage


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """An agent process is about to start.

    Attributes:
        turn: ``turn-1``: unique within the instance's attempt; also its folder's name.
        folder: Where its transcript goes, absolute.
        idle_s: Silence that will count as a stall; ``None``: not told.
        key: Digest of all that its answer depends on.
        marker: What its processes bear.
        cwd: Where it works, absolute.
        permission: What it may do there.
        files: What the files were before, if it may edit and they are kept.
    """

    at: float
    node: str
    attempt: int
    turn: str
    agent: str
    adapter: str
    model: str | None
    prompt: str
    folder: str
    session_id: str | None = None
    parent: str | None = None
    idle_s: float | None = None
    key: str = ""
    marker: str = ""
    cwd: str = ""
    permission: Permission = "read-only"
    files: FileState | None = None
    kind: Literal["turn_started"] = "turn_started"


@dataclass(slots=True)
class AgentSaid:
    """A running turn's agent said *event*."""

    at: float
    node: str
    turn: str
    event: AgentEvent
    kind: Literal["agent_said"] = "agent_said"


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """An agent process is gone, its whole tree too, and this is what it came to.

    Attributes:
        answer: The validated answer as JSON, or the text as a JSON string.
        failure: ``None`` exactly when the turn succeeded.
        salvaged: Whether no process was started: an earlier one's transcript holds its end.
        booked_usd: What it counts as under a budget if it has no price: an estimate.
        files: What the files are that it could edit, if they are kept.
    """

    at: float
    node: str
    attempt: int
    turn: str
    duration_s: float
    text: str
    answer: str | None
    session_id: str | None
    usage: Usage
    cost_usd: float | None
    failure: Failure | None
    exit_code: int | None
    simulated: bool = False
    warnings: tuple[str, ...] = ()
    salvaged: bool = False
    booked_usd: float | None = None
    files: FileState | None = None
    kind: Literal["turn_ended"] = "turn_ended"


@dataclass(frozen=True, slots=True)
class TurnReused:
    """A turn that was paid before is not paid again: no process is started.

    Attributes:
        turn: As of a turn that is started.
        folder: Where the transcript of the turn is that answers.
        cost_usd: What that one cost; ``None`` if unknown.
    """

    at: float
    node: str
    attempt: int
    turn: str
    agent: str
    folder: str
    cost_usd: float | None = None
    simulated: bool = False
    kind: Literal["turn_reused"] = "turn_reused"


@dataclass(frozen=True, slots=True)
class SubStepStarted:
    """A body called a step or a command; *label* says which, *path* is unique in the attempt."""

    at: float
    node: str
    attempt: int
    path: str
    step: Literal["step", "command"]
    label: str
    key: str = ""
    kind: Literal["step_started"] = "step_started"


@dataclass(frozen=True, slots=True)
class SubStepEnded:
    """A step or command is over; *value* is its result as JSON where it can be stored.

    Attributes:
        reused: Whether it was not run: the result is that of an earlier one.
        digest: Of the result itself, to know it again; empty if it has none.
    """

    at: float
    node: str
    attempt: int
    path: str
    duration_s: float
    failure: Failure | None = None
    value: str | None = None
    exit_code: int | None = None
    reused: bool = False
    digest: str = ""
    kind: Literal["step_ended"] = "step_ended"


@dataclass(frozen=True, slots=True)
class LimitAwaited:
    """A turn waits until its agent's account may be used again; that costs no retry.

    Attributes:
        agent: Whose account it is.
        until: When that may be: unix time.
    """

    at: float
    node: str
    agent: str
    until: float
    kind: Literal["limit_awaited"] = "limit_awaited"


@dataclass(frozen=True, slots=True)
class AgentStalled:
    """A turn's agent said nothing for *silent_s*; its tree is being ended."""

    at: float
    node: str
    turn: str
    silent_s: float
    limit_s: float
    last_line: str = ""
    kind: Literal["stalled"] = "stalled"


@dataclass(frozen=True, slots=True)
class LoopSuspected:
    """A turn's agent called the same tool with the same input *count* times; nothing is ended."""

    at: float
    node: str
    turn: str
    tool: str
    summary: str
    count: int
    kind: Literal["loop_suspected"] = "loop_suspected"
