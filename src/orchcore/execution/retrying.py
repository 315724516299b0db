"""Whether a failed attempt is followed by another one, and when."""

import random
from dataclasses import replace

from orchcore.policies import Backoff
from orchcore.results import Failure

BACKOFF = Backoff(base_s=1.0, cap_s=60.0)
LONGEST_WAIT_S = 600.0
"""What must be waited for longer fails: nothing would be seen to happen."""


def next_try(
    failure: Failure, failed: int, attempts: int, now: float, rng: random.Random
) -> float | Failure:
    """Seconds until the next attempt, or the failure that is final.

    Args:
        failure: Of the last attempt.
        failed: How many attempts failed, 1 or more.
        attempts: How many are allowed.
        now: Unix time, for limits that are lifted at a known one.
        rng: For the jitter of the back-off.
    """
    if failed >= attempts or not failure.transient:
        return failure
    wait_s = failure.retry_after_s or BACKOFF.delay_s(failed, rng)
    if failure.resets_at is not None:
        wait_s = max(wait_s, failure.resets_at - now)
    if wait_s > LONGEST_WAIT_S:
        why = f"not tried again: that could be in {wait_s / 60:.0f} min at the earliest"
        line, end, rest = failure.detail.partition("\n")
        return replace(failure, detail=f"{line} ({why}){end}{rest}")
    return wait_s
