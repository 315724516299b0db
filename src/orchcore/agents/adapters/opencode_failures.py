"""What an ``error`` line of OpenCode means: pure, from its fields and from stderr.

Fields come before words: the error's name, then the code and type in the provider's own answer
(``responseBody``), then the HTTP status, then sentences. As seen with OpenCode 1.18.33.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchcore.agents.adapters.classification import failure, kind_of, kind_of_text
from orchcore.agents.adapters.json_fields import Fields
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.reset_times import retry_after_header_s, retry_after_s
from orchcore.results import LIMITS, Failure, FailureKind

_NAMES: dict[str, FailureKind] = {
    "ContextOverflowError": "context_length",
    "ContentFilterError": "refused",
    "MessageAbortedError": "cancelled",
    "MessageOutputLengthError": "output_limit",
    "ProviderAuthError": "auth",
    "ProviderModelNotFoundError": "model_not_found",
    "StructuredOutputError": "invalid_output",
}
_REASONS: dict[str, Failure] = {
    "length": Failure("output_limit", "the model's answer reached its length limit"),
    "content-filter": Failure("refused", "the model provider's content filter stopped the answer"),
    "error": Failure("server_error", "the model provider ended the answer with an error"),
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LOGGED = re.compile(r'\berror(?:\.error)?="(?P<said>(?:[^"\\]|\\.)*)"')
_USAGE = "opencode run [message..]"
_NO_MESSAGE = "You must provide a message"


def plain(text: str) -> str:
    """*text* without colours, which OpenCode's stderr has even where it is no terminal."""
    return _COLOUR.sub("", text)


def of_reason(reason: str) -> Failure | None:
    """The failure that a ``step_finish`` with *reason* tells of; ``None`` if it tells none."""
    return _REASONS.get(reason)


def of_errors(errors: Sequence[Fields], stderr: str, now: float) -> Failure | None:
    """The failure that the ``error`` objects of a turn tell of; ``None`` if there are none.

    One error may be printed twice, the second time as a mere ``Unexpected server error``: the
    last that says what it is counts.

    Args:
        errors: In order.
        stderr: Its log, without colours: there is more in it of errors that say nothing.
        now: Unix time.
    """
    if not errors:
        return None
    found = [_of_error(error, now) for error in errors]
    telling = [failure for failure in found if failure is not None]
    return telling[-1] if telling else _of_log(errors[-1], stderr, now)


def of_silence(ending: Ending) -> Failure | None:
    """The failure of a process that printed no line but its help."""
    if not ending.exit_code:
        return None
    if _USAGE in ending.stderr_tail:
        return Failure("bad_invocation", "does not know one of its arguments: it printed its help")
    if _NO_MESSAGE in ending.stderr_tail:
        return Failure("bad_invocation", _NO_MESSAGE)
    return None


def message_of(error: Fields) -> str:
    """What an ``error`` object says, for people."""
    data = error.part("data")
    return _inner(data).text("message") or data.text("message") or error.text("name")


def _of_error(error: Fields, now: float) -> Failure | None:
    data = error.part("data")
    inner = _inner(data)
    text = message_of(error)
    words = " ".join((inner.text("code"), inner.text("type"), inner.text("status"), text))
    status = data.count("statusCode") or inner.count("code")
    kind = _NAMES.get(error.text("name")) or kind_of(words, status)
    if kind is None and data.flag("isRetryable"):
        kind = "server_error"
    if kind is None:
        return None
    told = failure(kind, text, now)
    return told if kind not in LIMITS else _timed(told, data, inner, now)


def _of_log(error: Fields, stderr: str, now: float) -> Failure:
    """Of an error that only refers to the log, which ``--print-logs`` prints to stderr."""
    for found in reversed(list(_LOGGED.finditer(stderr))):
        if kind := kind_of_text(found["said"]):
            return failure(kind, found["said"], now)
    return Failure("crashed", failure("crashed", message_of(error), now).detail)


def _timed(told: Failure, data: Fields, inner: Fields, now: float) -> Failure:
    """*told* with the times of headers and body: the longest wait, so that none is too short."""
    waits = [wait for wait in (told.retry_after_s, *_waits(data, inner, now)) if wait is not None]
    resets_at = inner.number("resets_at")
    return replace(
        told,
        retry_after_s=max(waits, default=None),
        resets_at=told.resets_at if resets_at is None else resets_at,
    )


def _waits(data: Fields, inner: Fields, now: float) -> Iterator[float | None]:
    headers = data.part("responseHeaders").raw
    for name, value in headers.items():
        if isinstance(value, str) and name.lower() == "retry-after":
            yield retry_after_header_s(value, now)
        elif isinstance(value, str) and name.lower() == "retry-after-ms":
            wait_ms = retry_after_header_s(value, now)
            yield None if wait_ms is None else wait_ms / 1000
    yield inner.number("resets_in_seconds")
    for detail in inner.parts("details"):  # Gemini's google.rpc.RetryInfo
        yield retry_after_s(f"retry in {detail.text('retryDelay')}")


def _inner(data: Fields) -> Fields:
    """The provider's own error object: in its answer, else in the message, which may be JSON."""
    for text in (data.text("responseBody"), data.text("message")):
        found = Fields.of_line(text.encode("utf-8", "replace")) or Fields()
        if found:
            return found.part("error") or found
    return Fields()
