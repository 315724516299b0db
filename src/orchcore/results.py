"""What phases, turns and commands give: plain frozen values.

Comes in: nothing. Goes out: one vocabulary of outcomes that retry, journal, wire and report
share. Does not know how any of it was produced.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

type FailureKind = Literal[
    "rate_limited", "quota", "overloaded", "server_error", "connection", "auth", "billing",
    "model_not_found", "context_length", "output_limit", "turn_limit", "budget", "refused",
    "permission_denied", "invalid_output", "empty_output", "truncated", "protocol", "stalled",
    "timeout", "crashed", "not_installed", "bad_invocation", "session_not_found", "cancelled",
    "error", "skipped", "blocked", "quorum",
]  # fmt: skip
"""The first 25 are a turn's; ``error`` is user code that raised; the last three are a node's."""

TRANSIENT: frozenset[FailureKind] = frozenset(
    {
        "rate_limited",
        "overloaded",
        "server_error",
        "connection",
        "truncated",
        "protocol",
        "stalled",
        "timeout",
        "crashed",
        "empty_output",
        "invalid_output",
    }
)
"""Kinds that another attempt may mend; ``retries`` are spent on these only."""

LIMITS: frozenset[FailureKind] = frozenset({"rate_limited", "quota", "overloaded"})
"""Kinds that a wait mends; only they have times."""

type NodeState = Literal[
    "waiting",
    "running",
    "passed",
    "failed",
    "blocked",
    "skipped",
    "partial",
    "reused",
    "cancelled",
    "paused",
]


def counted_states(own: NodeState, instances: Iterable[NodeState]) -> tuple[NodeState, ...]:
    """What a node adds to a tally: the states of its instances, or its own if it has none.

    A fan-out that is partial, or failed although none of its instances did, counts itself, too:
    no instance tells it.

    Example:
        >>> counted_states("partial", ["passed", "failed"])
        ('passed', 'failed', 'partial')
    """
    counted = tuple(instances)
    told = own in counted or own not in ("partial", "failed")
    return counted if counted and told else (*counted, own)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not give a value.

    Attributes:
        kind: The class of failure; nobody matches on *detail*.
        detail: For a person; its first line stands alone. Of an exception, the whole message,
            up to 4,000 characters, and those of its causes.
        retry_after_s: Seconds to wait, where the other side said so.
        resets_at: Unix time at which a limit is lifted, where the other side said so.
        of_model: Whether a limit is that of the model alone, where the other side said so.
    """

    kind: FailureKind
    detail: str
    retry_after_s: float | None = None
    resets_at: float | None = None
    of_model: bool = False

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed."""
        return self.kind in TRANSIENT

    def __str__(self) -> str:
        """``stalled: said nothing for 120 s``: one line."""
        return f"{self.kind}: {self.detail.partition('\n')[0]}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn; ``None`` is unknown, never zero.

    Attributes:
        input_tokens: All input, cached input included.
        output_tokens: All output, thinking included.
        cached_input_tokens: The part of the input that was read from a cache.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None

    def plus(self, other: "Usage") -> "Usage":
        """The sum of both; what is unknown of one is unknown of it.

        Example:
            >>> Usage(1, 2, 3).plus(Usage(10, None, 30))
            Usage(input_tokens=11, output_tokens=None, cached_input_tokens=33)
        """
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.cached_input_tokens, other.cached_input_tokens),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class FileState:
    """What the files of a folder are at a time.

    Attributes:
        root: The folder: a repository's top, or where an agent works; absolute.
        tree: Git's name for the whole of them.
    """

    root: str
    tree: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One finished turn of a conversation: what ``ai.last`` gives.

    Attributes:
        text: The answer as text.
        usage: Tokens of this turn.
        cost_usd: Its price; ``None`` if unknown.
        session_id: The conversation's id at the CLI, if it told one.
        transcript: Folder with the raw stdout, stderr and prompt.
        simulated: Whether it was made up by the demo agent.
    """

    text: str
    usage: Usage
    cost_usd: float | None
    session_id: str | None
    transcript: Path
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A conversation that another node may go on with.

    Attributes:
        agent: The agent's configured name.
        session_id: Its id at the CLI; ``None`` if nothing was asked.
        model: The model it was held with, if one was asked for.
        cwd: Where it began, absolute; ``None`` if that is not known.
        spent: Tokens of its turns so far, as far as they are known.
        chain: Key of its last turn, which stands for all of it; empty if nothing was asked.
    """

    agent: str
    session_id: str | None
    model: str | None = None
    cwd: Path | None = None
    spent: Usage = field(default_factory=Usage)
    chain: str = ""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What one agent process came to.

    Attributes:
        text: The agent's final answer; empty when it failed before one.
        answer: The structured answer as JSON-like data, where the CLI gave one.
        session_id: The conversation's id, where the CLI told one.
        usage: Tokens of this turn alone.
        cost_usd: Price of this turn alone; ``None`` if unknown.
        models: Tokens of this turn by model, where the CLI told which models it used.
        failure: ``None`` exactly when the turn succeeded.
        tools: ``(name, ok)`` of every finished tool call, in order.
        events: How many events of each kind were read.
        unknown_events: How many lines had a type the adapter does not know.
        malformed_lines: How many lines were not JSON.
        truncated: Whether the stream ended in the middle of a line, or had begun and ended without
            its final event.
        exit_code: The process's; negative for a signal; ``None`` if it never started.
        warnings: What a person should know although the turn counts.
    """

    text: str = ""
    answer: object = None
    session_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    models: Mapping[str, Usage] = field(default_factory=dict[str, Usage])
    failure: Failure | None = None
    tools: tuple[tuple[str, bool], ...] = ()
    events: dict[str, int] = field(default_factory=dict[str, int])
    unknown_events: int = 0
    malformed_lines: int = 0
    truncated: bool = False
    exit_code: int | None = None
    warnings: tuple[str, ...] = ()


class TurnFailed(Exception):  # noqa: N818  the language's word: a failed turn, caught by users
    """A turn gave no usable answer.

    Attributes:
        failure: Why.
        turn_folder: Where its transcript is, if it got one.
    """

    def __init__(self, failure: Failure, turn_folder: Path | None = None) -> None:
        """Carries *failure* to whoever catches it."""
        super().__init__(str(failure))
        self.failure = failure
        self.turn_folder = turn_folder


@dataclass(frozen=True, slots=True)
class Ok[T]:
    """A source that gave a value.

    Attributes:
        key: The instance's label; the node's id outside a fan-out.
        value: What it gave.
    """

    key: str
    value: T


@dataclass(frozen=True, slots=True)
class Err:
    """A source that gave none: failed, skipped, blocked or cancelled.

    Attributes:
        key: The instance's label; the node's id outside a fan-out.
        failure: Why.
    """

    key: str
    failure: Failure


type Outcome[T] = Ok[T] | Err


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran to its end.

    Attributes:
        argv: What was started.
        exit_code: Its exit code; negative for a signal.
        stdout: What it printed, decoded as UTF-8 with replacement; up to 64 MiB.
        stderr: The same of stderr.
        duration_s: Wall time.
        truncated: Whether it printed more than that: the text's last line says so, too.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    duration_s: float
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.exit_code == 0
