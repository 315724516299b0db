"""Is this turn still alive? Told the time and the signs of life, gives a verdict.

The rules:

1. A turn is stalled when its last sign of life is older than ``idle_s``, or ``tool_idle_s`` while
   a tool call runs; it has timed out when it took longer than ``timeout_s``.
2. Output is life. Retry notices, keep-alives and stderr are weak life: they count for 15 min at
   most after the last real one. A tree that used the processor meanwhile is alive as well.
3. Time in which this machine or this process stood still (a gap between two ticks) is nobody's
   silence: it is taken off every age, and no verdict is given in the 5 s after it.
4. A stall is only pronounced once everything printed so far was read. A timeout waits for that,
   too, but not for long: a flood never ends.

No clock in here: ages are differences of the times it is told (seconds, monotonic).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchcore.events import (
    AgentEvent,
    LimitNoticed,
    NoticeGiven,
    RetryNoticed,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits

WEAK_LIFE_S = 900.0
GAP_S = 3.0
AFTER_GAP_S = 5.0
DRAIN_S = 5.0
# A hung CLI's timers use well under 1 % of a core; one of 50 busy agents on two cores gets 4 %.
BUSY_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a turn is to be ended.

    Attributes:
        kind: The failure it becomes.
        silent_s: How long there was no sign of life.
        limit_s: The limit that was passed.
        tool_running: Whether a tool call was running.
    """

    kind: Literal["stalled", "timeout"]
    silent_s: float
    limit_s: float
    tool_running: bool = False

    @property
    def detail(self) -> str:
        """``said nothing for 120 s (idle=120)``."""
        if self.kind == "timeout":
            return f"took longer than {self.limit_s:g} s (timeout={self.limit_s:g})"
        tool = " while a tool runs" if self.tool_running else ""
        silent = f"{self.silent_s:.1f}" if self.silent_s < 10 else f"{self.silent_s:.0f}"
        return f"said nothing for {silent.removesuffix('.0')} s (idle={self.limit_s:g}{tool})"


class Watchdog:
    """Watches one turn.

    Args:
        limits: ``idle_s``, ``tool_idle_s`` and ``timeout_s`` are used.
        now_s: When the turn started.

    Example:
        >>> dog = Watchdog(TurnLimits(idle_s=2), now_s=0)
        >>> [dog.tick(second, drained=True) for second in (1, 2)]
        [None, None]
        >>> dog.tick(2.5, drained=True).detail
        'said nothing for 2.5 s (idle=2)'
    """

    def __init__(self, limits: TurnLimits, now_s: float) -> None:
        self._limits = limits
        self._started_s = now_s
        self._ticked_s = now_s
        self._strong_s = now_s
        self._weak_s = now_s
        self._quiet_until_s = now_s
        self._tools: set[str] = set()
        self._cpu: tuple[float, float] | None = None

    def heard(self, now_s: float, events: Sequence[AgentEvent] = ()) -> None:
        """Output arrived; *events* is what it meant, empty if that is not known (yet)."""
        strong = not events
        for event in events:
            if isinstance(event, TextWritten):  # by far the commonest
                strong = True
                continue
            if isinstance(event, ToolStarted):
                self._tools.add(event.call_id)
            elif isinstance(event, ToolEnded):
                self._tools.discard(event.call_id)
            strong = strong or not _is_weak(event)
        if strong:
            self._strong_s = now_s
            self._cpu = None  # what it worked before is no life of the silence that begins now
        else:
            self._weak_s = now_s

    def murmured(self, now_s: float) -> None:
        """A weak sign of life arrived: something on stderr."""
        self._weak_s = now_s

    def worked(self, now_s: float, cpu_s: float) -> None:
        """The tree has used *cpu_s* of processor time so far; growth is a sign of life."""
        if self._cpu is not None:
            then_s, before_s = self._cpu
            if cpu_s - before_s > BUSY_SHARE * (now_s - then_s):
                self._strong_s = now_s
        self._cpu = now_s, cpu_s

    def silent_s(self, now_s: float) -> float:
        """Seconds since the last sign of life that counts."""
        weak_s = min(self._weak_s, self._strong_s + WEAK_LIFE_S)
        return max(0.0, now_s - max(self._strong_s, weak_s))

    def tick(self, now_s: float, *, drained: bool) -> Verdict | None:
        """The verdict at *now_s*; to be asked every second or so.

        Args:
            now_s: Not earlier than at the last tick.
            drained: Whether all the process has printed so far was read and told.
        """
        self._forgive_gap(now_s)
        if now_s < self._quiet_until_s:
            return None
        overdue_s = now_s - self._started_s - self._limits.timeout_s
        if overdue_s > 0 and (drained or overdue_s > DRAIN_S):
            return Verdict("timeout", self.silent_s(now_s), self._limits.timeout_s)
        silent_s = self.silent_s(now_s)
        if drained and silent_s > self.idle_limit_s:
            return Verdict("stalled", silent_s, self.idle_limit_s, bool(self._tools))
        return None

    @property
    def idle_limit_s(self) -> float:
        """The silence allowed at the moment."""
        return self._limits.tool_idle_s if self._tools else self._limits.idle_s

    def _forgive_gap(self, now_s: float) -> None:
        gap_s = now_s - self._ticked_s
        self._ticked_s = now_s
        if gap_s <= GAP_S:
            return
        self._quiet_until_s = now_s + AFTER_GAP_S
        self._started_s += gap_s
        # Life that was told after the gap began is younger than the gap: it stays where it is.
        self._strong_s = min(now_s, self._strong_s + gap_s)
        self._weak_s = min(now_s, self._weak_s + gap_s)
        self._cpu = None


def _is_weak(event: AgentEvent) -> bool:
    if isinstance(event, ThinkingWritten):
        return not event.text
    return isinstance(event, RetryNoticed | NoticeGiven | LimitNoticed)
