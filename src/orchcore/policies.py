"""Plain values that say how long, how often and how much."""

import random
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

type Duration = float | str | timedelta
type Permission = Literal["read-only", "edit", "full"]

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def duration_s(value: Duration) -> float:
    """*value* in seconds.

    Args:
        value: Seconds, ``"90s"``, ``"5m"``, ``"1h30m"``, or a ``timedelta``.

    Raises:
        ValueError: *value* is negative or not a duration.

    Example:
        >>> duration_s("1h30m")
        5400.0
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        seconds = _parsed_s(value)
    else:
        seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{value!r} is not a duration: it must be 0 s or more")
    return seconds


def _parsed_s(text: str) -> float:
    compact = text.strip().lower()
    if compact.replace(".", "", 1).isdigit():
        return float(compact)
    parts = _PART.findall(compact)
    if not parts or _PART.sub("", compact).strip():
        raise ValueError(f'{text!r} is not a duration; write seconds or "90s", "5m", "2h"')
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """What one turn of an agent CLI may take.

    Attributes:
        idle_s: Silence that counts as a stall.
        tool_idle_s: The same while a tool call is running.
        timeout_s: Wall time of the whole turn.
        output_limit_bytes: What is read from stdout before the turn is ended.
        line_limit_bytes: What one line may hold.
        result_grace_s: How long the process may stay after its final event.
        term_grace_s: How long a tree has between SIGTERM and SIGKILL.
        max_turns: Model turns within this one CLI call; ``None``: no limit.
        max_tool_calls: Tool calls within it; ``None``: no limit.
    """

    idle_s: float = 300.0
    tool_idle_s: float = 1800.0
    timeout_s: float = 7200.0
    output_limit_bytes: int = 2 * 2**30
    line_limit_bytes: int = 64 * 2**20
    result_grace_s: float = 10.0
    term_grace_s: float = 2.0
    max_turns: int | None = None
    max_tool_calls: int | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter: between half and all of ``base * 2**n``.

    Attributes:
        base_s: The first wait.
        cap_s: No wait is longer.
    """

    base_s: float = 1.0
    cap_s: float = 60.0

    def delay_s(self, failed_attempts: int, rng: random.Random) -> float:
        """Seconds to wait after *failed_attempts* (1 or more) attempts."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(failed_attempts - 1, 32))
        return ceiling * rng.uniform(0.5, 1.0)
