"""Which kind of failure a status or a sentence of a vendor tells: one table for all CLIs.

Fields come before words: an adapter asks for a status first and for the text where only that
tells two kinds apart (a 429 for a used-up quota and a passing one; a 400 for a long prompt).
Sentences as printed by Claude Code 2.1, Codex 0.169, Gemini CLI 0.61, Copilot CLI 1.0.102 and
OpenCode 1.18, which pass on those of their model providers.
"""

import re
from dataclasses import replace
from datetime import tzinfo

from orchcore.agents.adapters.json_fields import one_line
from orchcore.agents.adapters.reset_times import reset_time, retry_after_s
from orchcore.results import LIMITS, Failure, FailureKind

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


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# Ordered: the first that is found decides. What is specific stands before what is general.
_TEXTS: tuple[tuple[re.Pattern[str], FailureKind], ...] = (
    (
        _any(
            r"no conversation found",
            r"no rollout found",
            r"no session(?:, task,?)? or (?:name|task) matched",
            r"invalid session identifier",
            r"session (?:id )?(?:\S+ )?(?:was )?not found",
            r"no (?:previous )?sessions? (?:was |were )?found",
            r"error resuming session",
        ),
        "session_not_found",
    ),
    (_any(r"cannot find (?:module|package)", r"command not found"), "not_installed"),
    (
        _any(
            r"models?\b.{0,80}\b(?:not found|does not exist|is not supported|not available)",
            r"(?:unknown|invalid|unsupported) model",
            r"model_?not_?found",
            r"no such model",
        ),
        "model_not_found",
    ),
    (
        _any(
            r"prompt is too long",
            r"context[ _](?:window|length)",
            r"maximum context",
            r"context ?overflow",
            r"input (?:token count|is too long)",
            r"too many (?:input )?tokens",
            r"request_too_large",
        ),
        "context_length",
    ),
    (
        _any(
            r"credit balance",
            r"insufficient (?:balance|credits)|\bCreditsError\b|no payment method",
            r"billing_(?:error|hard)",
            r"payment required",
        ),
        "billing",
    ),
    (
        _any(r"usage[ _]?limit", r"hit your .{0,40}limit", r"\bquota\b", r"insufficient_quota"),
        "quota",
    ),
    (
        _any(r"billing", r"out of credits", r"purchase more credits", r"plan, upgrade to"),
        "billing",
    ),
    (
        _any(r"output token (?:maximum|limit)", r"max_(?:output_)?tokens", r"maximum output"),
        "output_limit",
    ),
    (
        _any(
            r"usage polic(?:y|ies)",
            r"unable to respond to this request",
            r"content[ _-]?(?:filter|policy|management)",
            r"response_?refused|model refused|\brefusal\b",
            r"prohibited content|blocked (?:by|due to|for) safety|safety (?:filter|settings)",
        ),
        "refused",
    ),
    (
        _any(r"rate.?limit", r"too many requests", r"resource.?exhausted", r"\bthrottl"),
        "rate_limited",
    ),
    (
        _any(r"overloaded", r"at capacity", r"high demand", r"over capacity", r"\bUNAVAILABLE\b"),
        "overloaded",
    ),
    (
        _any(
            r"unauthori[sz]ed",
            r"\bunauthenticated\b",
            r"api key (?:not valid|is invalid)|invalid (?:x-)?api.?key|incorrect api key",
            r"not logged in|please (?:log|sign) ?in|log ?in required|authenticat(?:e|ion)",
            r"missing environment variable",
            r"(?:specify|set|missing) (?:the )?\w*(?:API_KEY|_TOKEN)",
            r"token (?:has )?expired|refresh token",
            r"\bforbidden\b",
        ),
        "auth",
    ),
    (
        _any(
            r"econn\w+|enotfound|eai_again|etimedout|und_err",
            r"connection (?:error|dropped|refused|reset|closed|timed out)",
            r"cannot connect|failed to connect|error sending request|fetch failed",
            r"stream (?:disconnected|closed|ended|error)|error decoding response body",
            r"error reading a body|unexpected eof|socket (?:connection|hang)|premature close",
            r"network error|timed? ?out\b|\bterminated\b",
        ),
        "connection",
    ),
    (
        _any(r"internal server error|bad gateway|gateway time|server_?error|service error"),
        "server_error",
    ),
    (
        _any(
            r"unexpected argument|unknown (?:option|argument)s?|invalid (?:option|argument|value)",
            r"unrecognized (?:option|argument)",
            r"error (?:loading config|parsing -c)|no prompt provided|output schema file",
            r"invalid command format",
            r"invalid_request|bad request|invalid (?:schema|json schema)",
        ),
        "bad_invocation",
    ),
)

_TOLD_STATUS = re.compile(
    r"\b(?:status(?:[ _]?code)?|last status|http(?:/\d(?:\.\d)?)?|code|error)[\"']?\W{1,3}"
    r"(?P<after>[45]\d\d)\b|\b(?P<before>[45]\d\d) (?:(?-i:[A-Z][a-z]+)\b|\{)",
    re.IGNORECASE,
)


# OpenAI's sentence, Claude Code's, and the names of Gemini's quotas.
_OF_MODEL = _any(
    r"limit (?:was )?(?:reached|exceeded) for (?!your|this|the\b)[`'\"]?[\w./:-]+",
    r"hit your (?:opus|sonnet|haiku) limit",
    r"PerModel\b|per[ -]model\b|\bmodel: [\w./:-]+",
)


def kind_of_status(status: int | None) -> FailureKind | None:
    """What an HTTP status alone tells; ``None`` for one that tells too little (400)."""
    if status is None:
        return None
    return _STATUSES.get(status) or ("server_error" if 500 <= status < 600 else None)


def kind_of_text(text: str) -> FailureKind | None:
    """What a sentence tells; ``None`` if nothing in it is known."""
    return next((kind for pattern, kind in _TEXTS if pattern.search(text)), None)


def told_status(text: str) -> int | None:
    """The HTTP status that a sentence names (``unexpected status 401 Unauthorized``)."""
    found = _TOLD_STATUS.search(text)
    return int(found["after"] or found["before"]) if found else None


_MORE_THAN_STATUS: frozenset[FailureKind] = frozenset(
    {"quota", "billing", "context_length", "model_not_found", "refused", "overloaded"}
)
"""Kinds that a text tells better than the status it came with."""


def kind_of(text: str, status: int | None = None) -> FailureKind | None:
    """What *text* and the status that came with it tell together."""
    of_text = kind_of_text(text)
    if of_text == "model_not_found" and (status == 429 or (status or 0) >= 500):
        return kind_of_status(status)  # not available now
    if of_text in _MORE_THAN_STATUS:
        return of_text
    return kind_of_status(status) or kind_of_status(told_status(text)) or of_text


def failure(kind: FailureKind, text: str, now: float, local: tzinfo | None = None) -> Failure:
    """A failure of *kind* told by *text*, with the times in it if a wait can mend it.

    Args:
        kind: What it is.
        text: What the vendor said; its first 200 characters become the detail.
        now: Unix time, for times of day.
        local: The zone of times without one; the machine's if ``None``.
    """
    told = Failure(kind, one_line(text) or kind)
    if kind not in LIMITS:
        return told
    return replace(
        told,
        retry_after_s=retry_after_s(text),
        resets_at=reset_time(text, now, local),
        of_model=_OF_MODEL.search(text) is not None,
    )
