"""How nodes and instances end, and what an edge gets of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from orchcore.results import Err, Failure, FailureKind, NodeState, Ok, Outcome, SessionRef


@dataclass(slots=True)
class Spent:
    """What the turns of one node or instance came to; grows while it runs."""

    cost_usd: float = 0.0
    priced: int = 0
    unpriced: int = 0
    reused: int = 0
    simulated: bool = False
    last_lines: tuple[str, ...] = ()
    folder: str = ""
    left: str = ""
    """What its turns left of the files, if they could edit: one text for one state of them."""
    left_at: float = 0.0
    uncached: bool = False
    """Whether a turn edited, or did not run here: then what it all rests on is not known."""
    models: dict[str, str] = field(default_factory=dict[str, str])
    """Which model answered, by agent and by the model that was asked for."""
    kinds: set[FailureKind] = field(default_factory=set[FailureKind])
    """How turns failed."""

    @property
    def turns(self) -> int:
        """How many turns ended."""
        return self.priced + self.unpriced

    @property
    def known_usd(self) -> float | None:
        """The cost, or ``None`` if no turn had a price."""
        return self.cost_usd if self.priced else None

    def leave(self, left: str, at: float) -> None:
        """*left* is what the files were *at* that time; the latest counts, in whatever order."""
        if left and at >= self.left_at:
            self.left, self.left_at = left, at

    def add(self, other: Spent) -> None:
        """Adds the sums of *other*."""
        self.cost_usd += other.cost_usd
        self.priced += other.priced
        self.unpriced += other.unpriced
        self.reused += other.reused
        self.simulated |= other.simulated


@dataclass(frozen=True, slots=True)
class Ending:
    """The final state of a node or instance.

    Attributes:
        state: Never ``waiting`` or ``running``.
        value: What it gave, if it passed.
        reason: Why it did not, one line.
        failure: The failure behind *reason*, if there is one.
        inherited: Whether it is skipped because what it uses was; *failure* has the chain then.
        declined: Whether a person said no.
        session: An agent's conversation.
        trace: The user's own frames of an exception.
        key: Digest of all it depends on; empty if there is none.
        key_parts: What that is made of.
    """

    state: NodeState
    value: object = None
    reason: str = ""
    failure: Failure | None = None
    inherited: bool = False
    declined: bool = False
    session: SessionRef | None = None
    attempt: int = 1
    duration_s: float = 0.0
    trace: str = ""
    key: str = ""
    key_parts: Mapping[str, str] = field(default_factory=dict[str, str])
    stored: str | None = None
    brief: str = ""
    spent: Spent = field(default_factory=Spent)

    @property
    def gave(self) -> bool:
        """Whether it has a value."""
        return self.state in ("passed", "partial", "reused")


@dataclass(frozen=True, slots=True)
class Value:
    """An edge got this."""

    value: object


@dataclass(frozen=True, slots=True)
class Missing:
    """An edge got nothing.

    Attributes:
        state: What becomes of a node that needs it.
        reason: Why, one line; of a skip, its root cause.
        inherited: Whether another node's skip is passed on; *failure* has the chain then.
    """

    state: Literal["skipped", "blocked", "paused", "cancelled", "failed"]
    reason: str
    failure: Failure
    inherited: bool = False

    def ending(self) -> Ending:
        """How a node ends that needs it."""
        return Ending(self.state, None, self.reason, self.failure, inherited=self.inherited)


type Got = Value | Missing


def got(node: str, ending: Ending) -> Got:
    """What ``use`` of *node* gets of its *ending*."""
    if ending.gave:
        return Value(ending.value)
    match ending.state:
        case "skipped":
            return _skipped_with(node, ending)
        case "paused":
            return Missing(
                "paused", f"waits for {node}", ending.failure or Failure("blocked", node)
            )
        case "cancelled":
            return Missing("cancelled", f"{node} was cancelled", Failure("cancelled", node))
        case _:
            reason = f"needs {node}"
            return Missing("blocked", reason, Failure("blocked", reason))


def _skipped_with(node: str, ending: Ending) -> Missing:
    """What becomes of a node that needs the skipped *node*: the root cause is what is told."""
    known = ending.failure if ending.inherited else None
    chain = f"{node} was skipped: {ending.reason if known is None else known.detail}"
    reason = chain if known is None else ending.reason
    return Missing("skipped", reason, Failure("skipped", chain), inherited=True)


def outcome(key: str, ending: Ending) -> Outcome[object]:
    """What ``settled`` gives of an *ending*."""
    if ending.gave:
        return Ok(key, ending.value)
    if ending.state == "failed" and ending.failure is not None:
        return Err(key, ending.failure)
    kinds: Mapping[str, Literal["skipped", "blocked", "cancelled"]]
    kinds = {"skipped": "skipped", "cancelled": "cancelled"}
    return Err(key, Failure(kinds.get(ending.state, "blocked"), ending.reason))


def combined(endings: Sequence[tuple[str, Ending]], quorum: int | None) -> Ending:
    """How a fan-out ends, from the endings of its instances in order.

    Args:
        endings: Instance id and ending.
        quorum: Enough passed instances; ``None``: all that were not skipped.
    """
    if not endings:
        return Ending("passed", [])
    passed = [ending for _, ending in endings if ending.gave]
    lost = [(id_, ending) for id_, ending in endings if not (ending.gave or _skipped(ending))]
    value = [ending.value for ending in passed]
    spent = Spent()
    for _, ending in endings:
        spent.add(ending.spent)
    if any(ending.state == "paused" for _, ending in lost):
        waiting = next(ending for _, ending in lost if ending.state == "paused")
        return Ending("paused", reason=waiting.reason, failure=waiting.failure, spent=spent)
    declined = any(ending.declined for _, ending in endings)
    counts = f"{len(passed)} of {len(endings)} passed"
    if quorum is None and not lost:
        reused = bool(passed) and all(ending.state == "reused" for ending in passed)
        state: NodeState = "reused" if reused else "passed"
        return Ending(state, value, declined=declined, spent=spent)
    if quorum is not None and len(passed) >= quorum:
        state = "partial" if lost else "passed"
        reason = f"{counts}, quorum {quorum}; {_named(lost)}" if lost else ""
        return Ending(state, value, reason, _first_failure(lost), declined=declined, spent=spent)
    return _lost(lost, counts, quorum, spent)


def _lost(lost: list[tuple[str, Ending]], counts: str, quorum: int | None, spent: Spent) -> Ending:
    wanted = f", quorum {quorum}" if quorum is not None else ""
    reason = f"{counts}{wanted}; {_named(lost)}".rstrip("; ")
    states = {ending.state for _, ending in lost}
    first = _first_failure(lost)
    detail = reason if first is None else f"{reason}\nfirst failure: {first}"
    failure = first if quorum is None and first is not None else Failure("quorum", detail)
    if states == {"blocked"}:
        return Ending("blocked", reason=lost[0][1].reason, failure=failure, spent=spent)
    state: NodeState = "cancelled" if states == {"cancelled"} else "failed"
    return Ending(state, reason=reason, failure=failure, spent=spent)


def _skipped(ending: Ending) -> bool:
    return ending.state == "skipped"


def _named(lost: list[tuple[str, Ending]]) -> str:
    by_state: dict[str, list[str]] = {}
    for id_, ending in lost:
        by_state.setdefault(ending.state, []).append(id_)
    return "; ".join(
        f"{state}: {', '.join(ids[:5])}{f' and {len(ids) - 5} more' if len(ids) > 5 else ''}"
        for state, ids in by_state.items()
    )


def _first_failure(lost: list[tuple[str, Ending]]) -> Failure | None:
    failed = (e.failure for _, e in lost if e.state == "failed" and e.failure is not None)
    return next(failed, next((e.failure for _, e in lost if e.failure is not None), None))


type Verdict = tuple[NodeState, bool, bool]
"""State of a node, whether it is optional, whether a person declined it."""


def exit_code(
    verdicts: Iterable[Verdict],
    *,
    interrupted: bool,
    internal: bool,
    untidy: bool = False,
    exhausted: bool = False,
    gave_up: bool = False,
) -> int:
    """The exit code of a run; the gravest first: 3, 2, 11, 12, 1, 10, 0.

    An optional node may fail, or be partial; a node that is blocked because of it may not.

    Args:
        verdicts: Of its nodes.
        interrupted: Whether somebody ended it.
        internal: Whether something of ours went wrong.
        untidy: Whether something is wrong that is no node's: a resource that did not close.
        exhausted: Whether there was no money for something.
        gave_up: Whether something would have had to wait too long for a limit.
    """
    if internal:
        return 3
    if interrupted:
        return 2
    if exhausted:
        return 11
    if gave_up:
        return 12
    counts: Counter[str] = Counter()
    for state, optional, declined in verdicts:
        counts["declined"] += declined
        counts[state] += not optional
    bad = ("failed", "blocked", "partial", "cancelled", "declined")
    if untidy or any(counts[one] for one in bad):
        return 1
    return 10 if counts["paused"] else 0
