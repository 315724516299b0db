"""When a limit is lifted, read from a vendor's sentence."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_RESETS = re.compile(
    r"\bresets?\s+(?:at\s+|on\s+)?"
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]*\s+(?P<day>\d{1,2})(?:,|\s+at)?\s+)?"
    r"(?P<hour>[01]?\d|2[0-3])(?!\d)(?::(?P<minute>\d{2}))?\s*(?P<half>[ap]m)?"
    r"(?:\s*\((?P<zone>[\w/+-]+)\))?",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"limit reached\|(?P<at>\d{10})\b")
_AFTER = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h)?",
    re.IGNORECASE,
)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def reset_time(text: str, now: float) -> float | None:
    """The unix time that *text* names, or ``None``.

    Args:
        text: ``resets 5:56pm (UTC)``, ``resets Nov 24, 5pm (Europe/Berlin)`` (Claude Code 2.1)
            or ``limit reached|1795456603`` (Claude Code 1.0). No zone means UTC.
        now: Unix time; a time of day without a date is the next one after it.
    """
    if epoch := _EPOCH.search(text):
        return float(epoch["at"])
    found = _RESETS.search(text)
    if found is None:
        return None
    try:
        return _next_moment(found, datetime.fromtimestamp(now, _zone(found["zone"]))).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def retry_after_s(text: str) -> float | None:
    """The wait that *text* asks for in seconds (``try again in 1.5s``), or ``None``."""
    found = _AFTER.search(text)
    if found is None:
        return None
    return float(found["number"]) * _UNITS_S[(found["unit"] or "s").lower()]


def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, OSError, ValueError):  # unknown, a folder's name, malformed
        return UTC


def _next_moment(found: re.Match[str], now: datetime) -> datetime:
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    moment = now.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
    if not found["month"]:
        return moment if moment > now else moment + timedelta(days=1)
    month = _MONTHS.index(found["month"].lower()) + 1
    moment = moment.replace(month=month, day=int(found["day"]))
    # In December "Jan 2" is next year's; a date of yesterday is only a slow message.
    late = now - moment > timedelta(days=30)
    return moment.replace(year=moment.year + 1) if late else moment
