"""Why a turn of an ACP agent failed, from a stop reason or an ``error`` of the bridge."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from orchcore.agents.adapters.classification import failure, kind_of, kind_of_text
from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.reset_times import retry_after_s
from orchcore.agents.adapters.verdict import because
from orchcore.results import LIMITS, Failure, FailureKind

AUTH_REQUIRED = -32000
NOT_FOUND = -32002
_PASSING_S = 120.0

_STOPS: Mapping[str, Failure] = {
    "max_tokens": Failure("output_limit", "its answer was cut at the model's longest output"),
    "max_turn_requests": Failure("turn_limit", "it reached its own limit of model requests"),
    "refusal": Failure("refused", "the model refused to go on"),
    "cancelled": Failure("cancelled", "the agent says the turn was cancelled"),
}

_REASONS: Mapping[str, FailureKind] = {
    "library": "not_installed",
    "not_found": "not_installed",
    "start": "bad_invocation",
    "unsupported": "bad_invocation",
    "version": "protocol",
    "protocol": "protocol",
    "line_limit": "output_limit",
}

# What stands for the kinds that the words of an error do not tell.
_STAGES: Mapping[str, FailureKind] = {
    "authenticate": "auth",
    "session": "server_error",
    "model": "model_not_found",
    "prompt": "server_error",
}

_ASIDE = re.compile(r"(?P<level>Error|Warning|Info): (?P<text>.*)", re.DOTALL)
_TROUBLE: frozenset[FailureKind | None] = frozenset(
    {*LIMITS, "auth", "billing", "connection", "server_error"}
)


def stopped_by(reason: str) -> Failure | None:
    """What a prompt's stop reason says; ``None`` for ``end_turn``."""
    if reason == "end_turn":
        return None
    return _STOPS.get(reason) or Failure("protocol", f"stopped for an unknown reason: {reason!r}")


def told_by(error: Fields, ending: Ending, now: float, *, resumed: bool) -> Failure:
    """The failure that an ``error`` of the bridge tells.

    Args:
        error: The line.
        ending: For the agent's last words on stderr.
        now: Unix time, for times of day.
        resumed: Whether a conversation should have gone on.
    """
    reason, message = error.text("reason"), one_line(error.text("message"))
    if reason == "rpc":
        return _refused(error, now, resumed=resumed)
    if reason == "gone":
        return _gone(error, ending, now)
    if reason == "unasked":
        return Failure(
            "permission_denied",
            f"changed something without asking under read-only ({message}); "
            "this agent has to be told by its own settings to ask",
        )
    if reason == "library":
        message = "the adapter 'acp' needs pip install 'orchcore[acp]'"
    return Failure(_REASONS.get(reason, "protocol"), message or reason)


def aside_of(piece: str) -> tuple[str, str] | None:
    """Level and text of a piece of a message that may be the agent's own word, not the model's.

    Copilot CLI 1.0.102 tells a failed request and a denied call so, ``Error: ...`` or
    ``Info: ...``, and ends its turn as if all were well.

    Example:
        >>> aside_of("Info: Operation cancelled by user")
        ('Info', 'Operation cancelled by user')
    """
    found = _ASIDE.fullmatch(piece.strip())
    return None if found is None else (found["level"], found["text"])


def told_in_text(text: str, now: float) -> Failure:
    """The failure that an agent told as if it were its answer."""
    return _of_text(kind_of(text) or "server_error", text, now)


def told_as_answer(pieces: Sequence[str], now: float) -> Failure | None:
    """The failure that an answer in one piece is, of an agent that is not known to do so.

    It has to tell of a trouble with the model's server: others are what a model might write.
    """
    aside = aside_of(pieces[0]) if len(pieces) == 1 else None
    if aside is None or aside[0] != "Error" or kind_of(aside[1]) not in _TROUBLE:
        return None
    return told_in_text(aside[1], now)


def _refused(error: Fields, now: float, *, resumed: bool) -> Failure:
    code, stage = error.number("code"), error.text("stage")
    text = " ".join(dict.fromkeys(_texts(error)))
    status = int(code) if code is not None and 400 <= code < 600 else None
    kind = kind_of(text, status)
    opening = stage == "session" and resumed
    if opening and (code == NOT_FOUND or kind is None):
        kind = "session_not_found"
    elif code == AUTH_REQUIRED:
        kind = kind_of_text(text) or "auth"
    return _of_text(kind or _STAGES.get(stage, "protocol"), text, now)


def _of_text(kind: FailureKind, text: str, now: float) -> Failure:
    wait_s = retry_after_s(text)
    if kind == "quota" and wait_s is not None and wait_s <= _PASSING_S:
        kind = "rate_limited"  # Gemini CLI 0.61 calls every limit a quota
    return failure(kind, text, now)


def _gone(error: Fields, ending: Ending, now: float) -> Failure:
    code, stage = error.number("exit_code"), error.text("stage")
    how = "closed its stdout" if code is None else f"exited with {code:g}"
    detail = f"{how} instead of answering ({stage}){because(ending)}"
    if stage == "prompt" and code == 0:
        return Failure("truncated", detail)
    kind = kind_of(ending.stderr_tail) if code and stage != "prompt" else None
    return failure(kind, ending.stderr_tail, now) if kind else Failure("crashed", detail)


def _texts(error: Fields) -> Iterator[str]:
    """The message, and whatever strings its data holds, near the top first."""
    yield error.text("message")
    level: list[object] = [error.raw.get("data")]
    for _ in range(3):
        yield from (item for item in level if isinstance(item, str))
        maps = [cast("dict[str, object]", item) for item in level if isinstance(item, dict)]
        level = [value for item in maps for value in item.values()]
