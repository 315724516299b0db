"""Which agents' accounts met a limit lately: their silence is not a stall."""

from dataclasses import dataclass, field, replace

from orchcore.results import Failure, FailureKind

LATELY_S = 900.0
_LIMITS: frozenset[FailureKind] = frozenset({"rate_limited", "quota", "overloaded"})


@dataclass(slots=True)
class Accounts:
    """What is known of the accounts of a run; told the time (seconds, monotonic)."""

    _limited_s: dict[str, float] = field(default_factory=dict[str, float])

    def met(self, account: str, kind: FailureKind | None, now_s: float) -> None:
        """A turn on *account* met a failure of *kind*; only limits are of interest."""
        if kind in _LIMITS:
            self._limited_s[account] = now_s

    def judged(self, account: str, failure: Failure | None, now_s: float) -> Failure | None:
        """*failure*, or ``overloaded`` for a silence that began after a limit was met.

        Some CLIs sleep through a 429 without a word (OpenCode 1.18, Qwen).
        """
        if failure is None or failure.kind != "stalled" or account not in self._limited_s:
            return failure
        ago_s = now_s - self._limited_s[account]
        if ago_s > LATELY_S:
            return failure
        detail = f"{failure.detail}; its account met a limit {ago_s:.0f} s ago"
        return replace(failure, kind="overloaded", detail=detail)
