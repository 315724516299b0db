"""What an agent says, as its adapter understood it: no time, no node."""

from dataclasses import dataclass
from typing import Literal

from orchcore.results import FailureKind, Usage


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The CLI told its conversation's id and, mostly, its model and version."""

    session_id: str
    model: str | None = None
    version: str | None = None
    kind: Literal["session"] = "session"


@dataclass(slots=True)
class TextWritten:
    """The agent wrote *text*: a whole message, or a piece of one if *partial*."""

    text: str
    partial: bool = False
    kind: Literal["text"] = "text"


@dataclass(slots=True)
class ThinkingWritten:
    """The agent thought aloud; an empty *text* is a sign of life only."""

    text: str
    partial: bool = False
    kind: Literal["thinking"] = "thinking"


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The agent called a tool.

    Attributes:
        summary: One line of its input (a command, a path).
        digest: Equal for equal inputs; empty where the CLI does not tell the input.
    """

    call_id: str
    name: str
    summary: str = ""
    digest: str = ""
    kind: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool call is over; *ok* as the CLI says, *denied* if it was not allowed to run."""

    call_id: str
    name: str
    ok: bool
    denied: bool = False
    kind: Literal["tool_ended"] = "tool_ended"


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Tokens and cost so far in this turn (sums, not steps)."""

    usage: Usage
    cost_usd: float | None = None
    kind: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class RetryNoticed:
    """The CLI itself retries a request after *delay_s*, because of a failure of kind *cause*."""

    reason: str
    attempt: int | None = None
    delay_s: float | None = None
    cause: FailureKind | None = None
    kind: Literal["retry_noticed"] = "retry_noticed"


@dataclass(frozen=True, slots=True)
class LimitNoticed:
    """The CLI told the state of a rate limit; *resets_at* is unix time."""

    status: str
    resets_at: float | None = None
    kind: Literal["limit_noticed"] = "limit_noticed"


@dataclass(frozen=True, slots=True)
class NoticeGiven:
    """A warning or a keep-alive of the CLI; an empty *text* is a sign of life only."""

    text: str = ""
    kind: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True)
class FinalGiven:
    """The CLI's final event was read: the process should end now."""

    ok: bool
    kind: Literal["final"] = "final"


type AgentEvent = (
    SessionStarted
    | TextWritten
    | ThinkingWritten
    | ToolStarted
    | ToolEnded
    | UsageReported
    | RetryNoticed
    | LimitNoticed
    | NoticeGiven
    | FinalGiven
)
