"""What the turns of one account must know of each other: limits that were met, who was first."""

import asyncio
from dataclasses import dataclass, field, replace

from orchcore.results import LIMITS, Failure, FailureKind

LATELY_S = 900.0
FIRST_S = 15.0
"""A CLI that starts alone has set up what it shares with others by then."""


@dataclass(slots=True)
class Accounts:
    """What is known of the accounts of a run; told the time (seconds, monotonic)."""

    _limited_s: dict[str, float] = field(default_factory=dict[str, float])
    _first: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])

    async def let_first_begin(self, account: str) -> None:
        """Returns at once for the first turn on *account*; for others once that was heard of."""
        if account not in self._first:
            self._first[account] = asyncio.Event()
            return
        try:
            async with asyncio.timeout(FIRST_S):
                await self._first[account].wait()
        except TimeoutError:
            self.begun(account)

    def begun(self, account: str) -> None:
        """A turn on *account* was heard of, or is over."""
        if account in self._first:
            self._first[account].set()

    def met(self, account: str, kind: FailureKind | None, now_s: float) -> None:
        """A turn on *account* met a failure of *kind*; only limits are of interest."""
        if kind in LIMITS:
            self._limited_s[account] = now_s

    def judged(
        self, account: str, failure: Failure | None, now_s: float, silent_s: float = 0.0
    ) -> Failure | None:
        """*failure*, or ``overloaded`` for a silence that a limit explains.

        Some CLIs sleep through a 429 without a word (OpenCode 1.18, Qwen).

        Args:
            account: Whose turn it was.
            failure: What it came to.
            now_s: When it ended.
            silent_s: How long nothing was heard of it before: a limit that was met earlier than
                ``LATELY_S`` before that silence began explains nothing.
        """
        if failure is None or failure.kind != "stalled" or account not in self._limited_s:
            return failure
        ago_s = now_s - self._limited_s[account]
        if ago_s - silent_s > LATELY_S:
            return failure
        detail = f"{failure.detail}; its account met a limit {ago_s:.0f} s ago"
        return replace(failure, kind="overloaded", detail=detail)


_ANSWERS = frozenset[FailureKind](
    {"invalid_output", "turn_limit", "output_limit", "refused", "permission_denied", "empty_output"}
)
"""Failures of turns whose account did answer."""


def is_answer(failure: Failure | None) -> bool:
    """Whether the account answered a turn that ended with *failure*."""
    return failure is None or failure.kind in _ANSWERS


def lifted(failure: Failure) -> bool:
    """Whether *failure* is a limit of which is told when it is lifted."""
    told = failure.retry_after_s is not None or failure.resets_at is not None
    return failure.kind in LIMITS and told
