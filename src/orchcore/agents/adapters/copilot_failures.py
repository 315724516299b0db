"""What a turn of Copilot CLI failed of, from the fields it tells it in.

``session.error`` says in its ``errorType`` what only the CLI knows and in its message what the
model provider said. When a limit ends is told by ``model.call_failure`` alone: its
``errorMessage`` is the provider's own JSON. Values as in the schema and as seen with 1.0.102.
"""

from dataclasses import replace

from orchcore.agents.adapters.classification import failure, kind_of
from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.results import Failure, FailureKind


def told_by(error: Fields, call: Fields, now: float) -> Failure:
    """The failure that a ``session.error`` tells.

    Args:
        error: Its ``data``; empty if there was none.
        call: ``data`` of the last ``model.call_failure`` that nothing made good; may be empty.
        now: Unix time, for times of day.
    """
    provider = call.text("errorMessage")
    said = error.text("message") or provider
    last = said.rpartition("Last error: ")[2]
    told = failure(_kind(error, call), f"{last} {provider}", now)
    return replace(told, detail=one_line(last) or told.detail)


def stopped_by(reason: str) -> Failure:
    """The failure that an ``abort`` tells."""
    if reason == "autopilot_credit_limit":
        return Failure("budget", "stopped at its limit of AI credits")
    return Failure("cancelled", f"was aborted: {reason or 'no reason was told'}")


def refusal_in(answer: str) -> Failure | None:
    """The failure that an *answer* is, which the CLI wrote itself in place of an empty one."""
    return Failure("refused", one_line(answer)) if answer.startswith(_BLOCKED) else None


def _kind(error: Fields, call: Fields) -> FailureKind:
    if told := _CODES.get(error.text("errorCode")) or _TYPES.get(error.text("errorType")):
        return told
    if error.text("message").startswith("No response was returned"):
        return "empty_output"
    status = error.count("statusCode") or call.count("statusCode")
    text = f"{error.text('message')} {call.text('errorMessage')}"
    if told := kind_of(text, status):
        return told
    return _LESS_SURE.get(error.text("errorType")) or _BOUNDARIES.get(
        call.text("failureKind"), "crashed"
    )


_BLOCKED = "The model returned no content because the response was blocked"

_TYPES: dict[str, FailureKind] = {
    "authentication": "auth",
    "authorization": "auth",
    "context_limit": "context_length",
    "policy": "refused",
    "quota": "quota",
}
_CODES: dict[str, FailureKind] = {
    "billing_not_configured": "billing",
    "user_weekly_rate_limited": "quota",
}
_LESS_SURE: dict[str, FailureKind] = {"rate_limit": "rate_limited"}
_BOUNDARIES: dict[str, FailureKind] = {"transport": "connection"}
