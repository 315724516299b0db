"""The verdict over a turn of Claude Code: pure, from what its stream and its process said.

An ordered list of questions; the first that finds something wrong answers. Only a turn that
none of them objects to succeeded. Field names and values as seen with Claude Code 2.1.330.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from orchcore.agents.adapters.classification import failure, kind_of_status, kind_of_text
from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.tally import Tally
from orchcore.agents.adapters.verdict import (
    contradicted,
    ended_by_us,
    off_protocol,
    without_final,
)
from orchcore.results import Failure, FailureKind


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one turn, once it is over.

    Attributes:
        ending: How the process ended.
        result: The last ``result`` line, if there was one.
        api_error: The last synthetic assistant line that stands for an API error.
        limit: The last ``rate_limit_info`` whose status was ``rejected``.
        unfinished: Whether the agent went on after its last ``result`` line.
        tally: What was read.
        wants_structure: Whether a schema was asked for.
        text: The final answer.
        now: Unix time, for clock times in messages.
    """

    ending: Ending
    result: Fields | None
    api_error: Fields | None
    limit: Fields | None
    unfinished: bool
    tally: Tally
    wants_structure: bool
    text: str
    now: float


_OF_MODEL = frozenset({"seven_day_opus", "seven_day_sonnet"})
"""Windows of one model alone; the others (``five_hour``, ``seven_day``) are the account's."""


def verdict(heard: Heard) -> Failure | None:
    """Why the turn failed; ``None`` only if nothing speaks against its success."""
    for question in _QUESTIONS:
        if failure := question(heard):
            return failure
    return None


def succeeded(result: Fields) -> bool:
    """Whether a ``result`` line says so: API errors are ``success`` with ``is_error``."""
    return result.flag("is_error") is False and result.text("subtype") == "success"


def _ended_by_us(heard: Heard) -> Failure | None:
    return ended_by_us(heard.ending)


def _no_result(heard: Heard) -> Failure | None:
    if heard.result is not None:
        return None
    if heard.api_error or heard.limit:
        return _told(heard, heard.api_error or Fields())
    return without_final(heard.ending, heard.tally, heard.now)


def _told_failure(heard: Heard) -> Failure | None:
    if heard.result is None or succeeded(heard.result):
        return None
    return _told(heard, heard.result)


def _told(heard: Heard, source: Fields) -> Failure:
    text = source.text("result") or "; ".join(source.words("errors")) or _said(heard.api_error)
    kind = _kind(heard, source, text)
    said = text or source.text("terminal_reason") or source.text("subtype")
    told = failure(kind, said, heard.now)
    if kind not in ("quota", "rate_limited"):
        return told
    of_model = told.of_model or (heard.limit or Fields()).text("rateLimitType") in _OF_MODEL
    resets_at = told.resets_at if (at := _resets_at(heard)) is None else at
    return replace(told, resets_at=resets_at, of_model=of_model)


def _kind(heard: Heard, source: Fields, text: str) -> FailureKind:
    if source.text("stop_reason") == "refusal":
        return "refused"
    for key in ("terminal_reason", "subtype"):
        if told := _REASONS.get(source.text(key)):
            return told
    if heard.limit or "usage_limit_reached" in (source.text("api_error"), _code(heard)):
        return "quota"
    of_text = kind_of_text(text)
    if of_text is not None and of_text in _TOLD_BY_TEXT:
        return of_text
    error = heard.api_error or Fields()
    return _kind_of_api_error(source, error) or of_text or "crashed"


def _kind_of_api_error(source: Fields, error: Fields) -> FailureKind | None:
    for fields in (source, error):
        for key in ("api_error_type", "api_error"):
            if told := _API_ERRORS.get(fields.text(key)):
                return told
    status = source.count("api_error_status") or error.count("api_error_status")
    return kind_of_status(status) or _API_ERRORS.get(error.text("error"))


def _resets_at(heard: Heard) -> float | None:
    told = (heard.api_error or Fields()).part("api_error_params").part("rate_limit_info")
    times = [info.number("resetsAt") for info in (heard.limit or Fields(), told)]
    return next((at for at in times if at is not None), None)


def _off_protocol(heard: Heard) -> Failure | None:
    return off_protocol(heard.tally)


def _contradicted(heard: Heard) -> Failure | None:
    if found := contradicted(heard.ending):
        return found
    if heard.unfinished:
        return Failure("truncated", "went on after its result and gave no other")
    reason = (heard.result or Fields()).text("terminal_reason")
    if kind := _REASONS.get(reason):
        return Failure(kind, f"ended with {reason}")
    return None


def _refused(heard: Heard) -> Failure | None:
    if (heard.result or Fields()).text("stop_reason") != "refusal":
        return None
    return Failure("refused", one_line(heard.text) or "the model refused")


def _no_answer(heard: Heard) -> Failure | None:
    result = heard.result or Fields()
    if heard.wants_structure and "structured_output" not in result:
        said = f": {one_line(heard.text)}" if heard.text else ""
        return Failure("invalid_output", f"gave no structured answer{said}")
    if not heard.wants_structure and not heard.text.strip():
        return Failure("empty_output", "ended without an answer")
    return None


def _said(error: Fields | None) -> str:
    message = (error or Fields()).part("message")
    return " ".join(block.text("text") for block in message.parts("content"))


def _code(heard: Heard) -> str:
    return (heard.api_error or Fields()).text("api_error")


_QUESTIONS: tuple[Callable[[Heard], Failure | None], ...] = (
    _ended_by_us,
    _no_result,
    _told_failure,
    _off_protocol,
    _contradicted,
    _refused,
    _no_answer,
)

_REASONS: dict[str, FailureKind] = {
    "max_turns": "turn_limit",
    "error_max_turns": "turn_limit",
    "budget_exhausted": "budget",
    "error_max_budget_usd": "budget",
    "prompt_too_long": "context_length",
    "error_max_structured_output_retries": "invalid_output",
    "aborted_streaming": "cancelled",
    "aborted_tools": "cancelled",
}

_API_ERRORS: dict[str, FailureKind] = {
    "overloaded_error": "overloaded",
    "overloaded": "overloaded",
    "rate_limit_error": "rate_limited",
    "rate_limit": "rate_limited",
    "authentication_error": "auth",
    "authentication_failed": "auth",
    "oauth_org_not_allowed": "auth",
    "permission_error": "auth",
    "billing_error": "billing",
    "not_found_error": "model_not_found",
    "model_not_found": "model_not_found",
    "request_too_large": "context_length",
    "max_output_tokens": "output_limit",
    "connection_failed": "connection",
    "timeout_error": "connection",
    "api_error": "server_error",
    "server_error": "server_error",
    "invalid_request_error": "bad_invocation",
    "invalid_request": "bad_invocation",
}

# Kinds that only words tell apart (Claude Code 2.1.330: a 429 for a used-up quota and a passing
# one differ in text only; a 400 is a long prompt or no money).
_TOLD_BY_TEXT: frozenset[FailureKind] = frozenset(
    {
        "session_not_found",
        "quota",
        "billing",
        "context_length",
        "output_limit",
        "refused",
        "connection",
    }
)
