"""Which text of a Gemini CLI stream is the answer, and which belongs to tries that failed.

Gemini CLI 0.61 repeats a reply that broke off (up to three times, after 1, 2 and 4 s) and prints
the pieces of every try, with nothing between them. What tells them apart:

1. Its event log (``GEMINI_TELEMETRY_OUTFILE``) has the moment of each retry, by the same clock as
   the stream's timestamps: no piece up to the last retry is part of the answer. It also has the
   reason a reply ended with, which the stream does not tell.
2. Without a log, pauses: those of 1 s and more that are just the retries' own, one after another,
   or after which the text begins as it began before. A pause of any other length is a slow model.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from orchcore.agents.adapters.json_fields import Fields

_RETRIES = ("gemini_cli.chat.content_retry", "gemini_cli.network_retry_attempt")
_RESPONSE = "gemini_cli.api_response"
_DELAYS_S = (1.0, 2.0, 4.0)
_SLACK_S = 0.5
_BETWEEN = re.compile(rb"(?<=\n\})\n(?=\{\n)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text with its unix time; ``None`` where the stream has none."""

    text: str
    at: float | None


@dataclass(frozen=True, slots=True)
class EventLog:
    """What the event log tells of one turn.

    Attributes:
        retries: Unix times at which a broken reply was given up to be asked for again.
        finish_reason: How the last reply ended: ``stop``, ``length``, ``content_filter``,
            ``error``; empty if that is not told.
    """

    retries: tuple[float, ...]
    finish_reason: str

    @classmethod
    def of(cls, content: bytes) -> "EventLog | None":
        """The log in *content*, which may begin and end anywhere; ``None`` if it has no event."""
        events = list(_events(content))
        if not events:
            return None
        times = [unix_time(event.text("event.timestamp")) for event in events if _is_retry(event)]
        reasons = [
            event.words("finish_reasons")
            for event in events
            if event.text("event.name") == _RESPONSE and event.text("role") in ("main", "")
        ]
        last = reasons[-1] if reasons else ()
        # One for each piece of the reply; those without a reason of their own are told as "stop".
        reason = next((told for told in last if told != "stop"), "stop" if last else "")
        return cls(tuple(at for at in times if at is not None), reason)


def unix_time(stamp: str) -> float | None:
    """The unix time of an ISO 8601 *stamp*, or ``None``."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def last_try(pieces: Sequence[Piece], log: EventLog | None) -> tuple[Sequence[Piece], bool]:
    """The pieces of the last try, and whether that is a guess.

    Args:
        pieces: All that came since the last tool call, in order.
        log: The event log; ``None`` where there is none.
    """
    if log is not None:
        return [piece for piece in pieces if not _given_up(piece, log)], False
    start = _guessed_start(pieces)
    return pieces[start:], start > 0


def _given_up(piece: Piece, log: EventLog) -> bool:
    return piece.at is not None and any(piece.at <= retry for retry in log.retries)


def _guessed_start(pieces: Sequence[Piece]) -> int:
    pauses = [
        (index, later.at - piece.at)
        for index, (piece, later) in enumerate(pairwise(pieces), 1)
        if piece.at is not None and later.at is not None and later.at - piece.at >= _DELAYS_S[0]
    ]
    if not pauses or len(pauses) > len(_DELAYS_S):
        return 0
    start = pauses[-1][0]
    if all(
        delay_s <= pause_s < delay_s + _SLACK_S
        for delay_s, (_, pause_s) in zip(_DELAYS_S, pauses, strict=False)
    ):
        return start
    return start if _begins_again(pieces, start) else 0


def _begins_again(pieces: Sequence[Piece], start: int) -> bool:
    first = pieces[0].text.strip()
    again = "".join(piece.text for piece in pieces[start:]).lstrip()
    return len(first) >= 3 and again.startswith(first)


def _events(content: bytes) -> Iterator[Fields]:
    """The attributes of each of the CLI's events; records of any other kind are left out."""
    for record in _BETWEEN.split(content):
        if b'"gemini_cli.' in record and (fields := Fields.of_line(record)) is not None:
            attributes = fields.part("attributes")
            if attributes.text("event.name"):
                yield attributes


def _is_retry(event: Fields) -> bool:
    return event.text("event.name") in _RETRIES
