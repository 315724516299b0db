"""When a limit is lifted, read from a vendor's sentence or header."""

import math
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(
    r"\b(?:resets?|again|retry|until|lifted|available)\s+(?:(?:at|on|after|by)\s+)?"
    r"(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[a-z]*,?(?:\s+at)?\s+)?"
    rf"(?:(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    r"(?:,?\s+(?P<year>20\d\d))?(?:,|\s+at)?\s+)?"
    r"(?P<hour>[01]?\d|2[0-3])(?:(?::(?P<minute>[0-5]\d))(?::[0-5]\d)?\s*(?P<half>[ap]\.?m\b)?"
    r"|\s*(?P<only_half>[ap]\.?m\b))"
    r"(?:\s*\(?(?P<zone>[A-Za-z][\w+-]*/[\w/+-]+|UTC|GMT|Z|[ECMP][SD]?T)\b\)?)?",
    re.IGNORECASE,
)
_STAMP = re.compile(
    r"\b(?:resets?|again|retry|until|lifted|available)\s+(?:(?:at|on|after|by)\s+)?"
    r"(?P<stamp>20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s*(?:Z|[+-]\d\d:?\d\d|UTC)?)",
    re.IGNORECASE,
)
_EPOCH = re.compile(
    r"(?:limit reached\||resets?_?(?:at|in)?[\"']?[:=]?\s*)(?P<at>1[5-9]\d{8})\b", re.IGNORECASE
)
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = (
    r"\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?"
    r"|d|days?|w|weeks?)(?![a-z])"
)
_DURATION = re.compile(
    r"\b(?:again|retry|retrying|resets?|wait|available)(?:[ -](?:in|after|for|about))?"
    rf"(?:\s+about)?[\s:]+(?P<parts>{_PART}(?:(?:,?\s*(?:and\s+)?){_PART})*)",
    re.IGNORECASE,
)
_BARE_S = re.compile(
    r"\b(?:again in|retry[ _-]?after(?:_seconds)?|retry in|resets_in_seconds)[\s:=\"']+"
    r"(?P<number>\d+(?:\.\d+)?)\b(?![:\d-]|\.\d|[ \t]*[a-z])",
    re.IGNORECASE,
)
_ONE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)", re.IGNORECASE)
_ZONES = {
    "z": "UTC",
    "et": "America/New_York",
    "est": "America/New_York",
    "edt": "America/New_York",
    "ct": "America/Chicago",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "mt": "America/Denver",
    "mst": "America/Denver",
    "mdt": "America/Denver",
    "pt": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
}
_SLOW = timedelta(days=30)


def reset_time(text: str, now: float, local: tzinfo | None = None) -> float | None:
    """The unix time that *text* names, or ``None``.

    Args:
        text: ``resets 5:56pm (UTC)``, ``resets Nov 24, 5pm (Europe/Berlin)`` (Claude Code 2.1),
            ``limit reached|1795456603`` (Claude Code 1.0), ``try again at 5:48 PM`` or
            ``try again at Feb 4th, 2026 5:48 PM`` (Codex 0.169), an ISO 8601 time.
        now: Unix time; a time of day without a date is the next one after it.
        local: The zone of times without one; the machine's if ``None``.
    """
    try:
        if epoch := _EPOCH.search(text):
            return float(epoch["at"])
        if stamp := _STAMP.search(text):
            return _of_stamp(stamp["stamp"], local)
        if (clock := _CLOCK.search(text)) is not None:
            return _of_clock(clock, now, _zone(clock["zone"]) if clock["zone"] else local)
    except (ValueError, OverflowError, OSError, KeyError):  # no such date, zone or year
        return None
    return None


def retry_after_s(text: str) -> float | None:
    """The wait that *text* asks for in seconds; ``None`` if it has none, or not in known units.

    Args:
        text: ``try again in 1.5s`` (OpenAI), ``reset after 2h39m52s`` (Gemini), ``try again in 5
            days 3 hours 27 minutes`` (Codex 0.104), ``retry-after: 30``,
            ``"resets_in_seconds":3600``.
    """
    if found := _DURATION.search(text):
        parts = _ONE.finditer(found["parts"])
        return _finite(sum(float(part["number"]) * _unit_s(part["unit"]) for part in parts))
    bare = _BARE_S.search(text)
    return _finite(float(bare["number"])) if bare else None


def retry_after_header_s(value: str, now: float) -> float | None:
    """The wait of a ``retry-after`` header: seconds, or an HTTP date; ``None`` if it is neither."""
    try:
        return _finite(max(0.0, float(value)))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return None


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


def _unit_s(unit: str) -> float:
    name = unit.lower()
    return 0.001 if name.startswith(("ms", "milli")) else _UNITS_S[name[0]]


def _zone(name: str) -> tzinfo:
    return ZoneInfo(_ZONES.get(name.lower(), name))


def _of_stamp(stamp: str, local: tzinfo | None) -> float:
    moment = datetime.fromisoformat(re.sub(r"\s*(?:Z|UTC)$", "+00:00", stamp, flags=re.IGNORECASE))
    return (moment.replace(tzinfo=local) if moment.tzinfo is None else moment).timestamp()


def _of_clock(found: re.Match[str], now: float, zone: tzinfo | None) -> float:
    here = datetime.fromtimestamp(now, zone)
    at = time(_hour(found), int(found["minute"] or 0))
    if found["month"]:
        return _dated(found, here, at)
    days = range(9) if found["weekday"] else range(2)
    for offset in days:
        day = here.date() + timedelta(days=offset)
        if found["weekday"] and day.weekday() != _DAYS.index(found["weekday"][:3].lower()):
            continue
        for moment_s in _moments_s(day, at, here.tzinfo):
            if moment_s > now:
                return moment_s
    raise ValueError(f"no {at} after {here}")


def _hour(found: re.Match[str]) -> int:
    half = found["half"] or found["only_half"]
    hour = int(found["hour"])
    return hour if not half else hour % 12 + (12 if half[0].lower() == "p" else 0)


def _dated(found: re.Match[str], here: datetime, at: time) -> float:
    month = _MONTHS.index(found["month"][:3].lower()) + 1
    year = int(found["year"] or here.year)
    day = date(year, month, int(found["day"]))
    # In December "Jan 2" is next year's; a date of yesterday is only a slow message.
    if not found["year"] and here.date() - day > _SLOW:
        day = day.replace(year=year + 1)
    return next(_moments_s(day, at, here.tzinfo))


def _moments_s(day: date, at: time, zone: tzinfo | None) -> Iterator[float]:
    """The unix times at which a clock in *zone* shows *at*: two when it is put back.

    A time that is left out when the clock is put forward is taken as if it had not been.
    """
    first, second = (
        datetime.combine(day, at.replace(fold=fold), zone).timestamp() for fold in (0, 1)
    )
    yield first
    if second > first:
        yield second
