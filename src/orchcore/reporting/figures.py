"""How durations, money and counts are written, everywhere the same."""

import time


def shown_duration(duration_s: float) -> str:
    """*duration_s* as a person reads it: ``0.4s``, ``41s``, ``3m10``, ``1h02``.

    Always rounded down; negative durations (a clock that was set back) show as ``0.0s``.
    """
    if duration_s < 10:
        return f"{int(max(duration_s, 0.0) * 10) / 10:.1f}s"
    minutes, seconds = divmod(int(duration_s), 60)
    if minutes == 0:
        return f"{seconds}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}" if hours else f"{minutes}m{seconds:02}"


def shown_seconds(duration_s: float) -> str:
    """*duration_s* where it is seen to change: as above, without tenths."""
    return f"{int(max(duration_s, 0))}s" if duration_s < 10 else shown_duration(duration_s)


def shown_cost(cost_usd: float | None, unpriced_turns: int = 0) -> str:
    """``$1.90 (1 turn unpriced)``; empty when nothing was spent and nothing is unknown.

    An unknown price is said to be unknown; it is never written as $0.
    """
    if cost_usd is None and unpriced_turns:
        return f"cost unknown ({counted(unpriced_turns, 'turn')} unpriced)"
    if cost_usd is None:
        return ""
    unpriced = f" ({counted(unpriced_turns, 'turn')} unpriced)" if unpriced_turns else ""
    return f"{shown_dollars(cost_usd)}{unpriced}"


def shown_dollars(amount_usd: float) -> str:
    """``$0.12``; what is above nothing and below a cent is ``<$0.01``."""
    return "<$0.01" if 0 < amount_usd < 0.01 else f"${amount_usd:,.2f}"


def shown_clock(at: float) -> str:
    """Unix time *at* as local wall-clock time: ``14:20``."""
    return time.strftime("%H:%M", time.localtime(at))


def counted(number: int, noun: str) -> str:
    """``1 turn``, ``2 turns``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
