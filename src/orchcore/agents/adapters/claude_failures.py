"""The verdict over a turn of Claude Code: pure, from what its stream and its process said.

An ordered list of questions; the first that finds something wrong answers. Only a turn that
none of them objects to succeeded. Field names and values as seen with Claude Code 2.1.330.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.reset_times import reset_time, retry_after_s
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
        known: Lines of a known type.
        unknown: Lines of an unknown type.
        wants_structure: Whether a schema was asked for.
        text: The final answer.
        now: Unix time, for clock times in messages.
    """

    ending: Ending
    result: Fields | None
    api_error: Fields | None
    limit: Fields | None
    unfinished: bool
    known: int
    unknown: int
    wants_structure: bool
    text: str
    now: float


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
    if not heard.ending.ended_by_us:
        return None
    return Failure("cancelled", "was ended before it gave its final event")


def _no_result(heard: Heard) -> Failure | None:
    if heard.result is not None:
        return None
    if heard.api_error or heard.limit:
        return _told(heard, heard.api_error or Fields())
    if not heard.known:
        return _never_spoke(heard)
    code, ending = heard.ending.exit_code, heard.ending
    if code:
        return Failure("crashed", f"{_exit(code)} without a final event{_because(ending)}")
    return Failure("truncated", "its stream ended without a final event")


def _never_spoke(heard: Heard) -> Failure:
    code, stderr = heard.ending.exit_code, heard.ending.stderr_tail
    if heard.unknown:
        return Failure("protocol", "printed nothing that this version of the adapter knows")
    for pattern, kind in _STDERR:
        if code and pattern.search(stderr):
            return Failure(kind, one_line(stderr))
    if code:
        return Failure("crashed", f"{_exit(code)} without a word{_because(heard.ending)}")
    return Failure("empty_output", "ended without a word")


def _told_failure(heard: Heard) -> Failure | None:
    if heard.result is None or succeeded(heard.result):
        return None
    return _told(heard, heard.result)


def _told(heard: Heard, source: Fields) -> Failure:
    text = source.text("result") or "; ".join(source.words("errors")) or _said(heard.api_error)
    kind = _kind(heard, source, text)
    resets_at = None
    if kind in ("quota", "rate_limited"):
        resets_at = _resets_at(heard, text)
    detail = one_line(text) or source.text("terminal_reason") or source.text("subtype") or kind
    return Failure(kind, detail, retry_after_s(text), resets_at)


def _kind(heard: Heard, source: Fields, text: str) -> FailureKind:
    if source.text("stop_reason") == "refusal":
        return "refused"
    for key in ("terminal_reason", "subtype"):
        if told := _REASONS.get(source.text(key)):
            return told
    if heard.limit or "usage_limit_reached" in (source.text("api_error"), _code(heard)):
        return "quota"
    for pattern, kind in _TEXTS:
        if pattern.search(text):
            return kind
    error = heard.api_error or Fields()
    return _kind_of_api_error(source, error) or "crashed"


def _kind_of_api_error(source: Fields, error: Fields) -> FailureKind | None:
    for fields in (source, error):
        for key in ("api_error_type", "api_error"):
            if told := _API_ERRORS.get(fields.text(key)):
                return told
    status = source.count("api_error_status") or error.count("api_error_status") or 0
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:
        return "server_error"
    return _API_ERRORS.get(error.text("error"))


def _resets_at(heard: Heard, text: str) -> float | None:
    told = (heard.api_error or Fields()).part("api_error_params").part("rate_limit_info")
    for info in (heard.limit or Fields(), told):
        if (at := info.number("resetsAt")) is not None:
            return at
    return reset_time(text, heard.now)


def _off_protocol(heard: Heard) -> Failure | None:
    # One new kind of line in a short turn is a new version, not another protocol.
    if heard.unknown < 3 or heard.unknown * 5 <= heard.known + heard.unknown:
        return None
    return Failure("protocol", f"{heard.unknown} lines of unknown types, {heard.known} known")


def _contradicted(heard: Heard) -> Failure | None:
    ending = heard.ending
    if ending.exit_code:
        return Failure("crashed", f"{_exit(ending.exit_code)} after saying success")
    if ending.cut_line:
        return Failure("truncated", "its stream ended in the middle of a line")
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


def _exit(code: int) -> str:
    if code < 0 or code > 128:
        return f"was ended by signal {-code if code < 0 else code - 128}"
    return f"exited with {code}"


def _because(ending: Ending) -> str:
    lines = [line for line in ending.stderr_tail.splitlines() if line.strip()]
    return f": {one_line(lines[-1])}" if lines else ""


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

_STATUSES: dict[int, FailureKind] = {
    401: "auth",
    402: "billing",
    403: "auth",
    404: "model_not_found",
    408: "connection",
    413: "context_length",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}

# Words are asked only where no field tells these apart (Claude Code 2.1.330: a 429 for a used-up
# quota and a passing one differ in text only; a 400 is a long prompt or no money).
_TEXTS: tuple[tuple[re.Pattern[str], FailureKind], ...] = (
    (re.compile(r"no conversation found", re.IGNORECASE), "session_not_found"),
    (re.compile(r"usage limit|hit your .*limit|quota", re.IGNORECASE), "quota"),
    (re.compile(r"credit balance|billing", re.IGNORECASE), "billing"),
    (re.compile(r"prompt is too long|context (window|length)", re.IGNORECASE), "context_length"),
    (re.compile(r"output token maximum", re.IGNORECASE), "output_limit"),
    (re.compile(r"usage policy|unable to respond to this request", re.IGNORECASE), "refused"),
    (re.compile(r"econn|connection (error|dropped|refused)", re.IGNORECASE), "connection"),
)

_STDERR: tuple[tuple[re.Pattern[str], FailureKind], ...] = (
    (re.compile(r"no conversation found", re.IGNORECASE), "session_not_found"),
    (re.compile(r"not logged in|invalid api key", re.IGNORECASE), "auth"),
    (re.compile(r"^error: ", re.IGNORECASE | re.MULTILINE), "bad_invocation"),
    (re.compile(r"cannot be used with root|must be|already in use"), "bad_invocation"),
)
