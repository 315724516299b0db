"""Why a turn of Gemini CLI failed, from its lines, its stderr and its exit code.

Sentences, error types and exit codes of Gemini CLI 0.61.0. An exit code is the HTTP status modulo
256 for errors of the API, and one of the CLI's own below 64.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from orchcore.agents.adapters.classification import failure, kind_of
from orchcore.agents.adapters.gemini_tries import EventLog
from orchcore.agents.adapters.json_fields import Fields
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.adapters.reset_times import retry_after_s
from orchcore.agents.adapters.verdict import because
from orchcore.results import Failure, FailureKind

_STATUSES = (400, 401, 403, 408, 413, 429, 500, 502, 503, 504)
_OF_EXIT = {status % 256: status for status in _STATUSES}

_EXITS: Mapping[int, FailureKind] = {
    41: "auth",
    42: "bad_invocation",
    44: "bad_invocation",  # no sandbox
    52: "bad_invocation",  # settings
    53: "turn_limit",
    55: "bad_invocation",  # a folder that is not trusted
    130: "cancelled",
}

_TYPES: Mapping[str, FailureKind] = {
    "FatalAuthenticationError": "auth",
    "FatalCancellationError": "cancelled",
    "FatalConfigError": "bad_invocation",
    "FatalInputError": "bad_invocation",
    "FatalSandboxError": "bad_invocation",
    "FatalTurnLimitedError": "turn_limit",
    "FatalUntrustedWorkspaceError": "bad_invocation",
}

# Sentences of the CLI itself, which no table of all vendors has. The first that is found decides.
_SENTENCES: tuple[tuple[re.Pattern[str], FailureKind], ...] = (
    (re.compile(r"empty response|no final response text|empty response text"), "empty_output"),
    (re.compile(r"malformed (?:function|tool) call|unexpected tool call"), "invalid_output"),
    (re.compile(r"exceeded the token limit|token limit exhaustion"), "output_limit"),
    (re.compile(r"response was blocked due to|execution (?:blocked|stopped):"), "refused"),
    (re.compile(r"[Ll]oop detected|[Mm]ax(?:imum)? session turns"), "turn_limit"),
    (re.compile(r"(?<!/)\bauth(?:entication)? (?:method|type)"), "auth"),
    (re.compile(r"Session ID .+ already exists"), "bad_invocation"),
)
_STOPPED = re.compile(
    r"loop detected|session turns exceeded|execution (?:blocked|stopped):", re.IGNORECASE
)

# A quota that comes back within this time is a rate limit: the CLI itself waits for it.
_PASSING_S = 300.0
_USED_UP = re.compile(r"daily|per ?day|exhausted your|limit:\s*0(?![\d.])", re.IGNORECASE)
_TOLD_BY_STDERR: tuple[tuple[str, FailureKind], ...] = (
    ("TerminalQuotaError:", "quota"),
    ("RetryableQuotaError:", "rate_limited"),
)

_WRAPPED = re.compile(r"\[API Error: (?P<said>.*)\]", re.DOTALL)
_STATUS_WORD = re.compile(r"\(Status: (?P<word>[A-Z_]+)\)\s*$")
_WORDS: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_KNOWN_TOOLS = frozenset(
    {
        *("write_file", "replace", "run_shell_command", "read_file", "read_many_files", "glob"),
        *("grep_search", "list_directory", "web_fetch", "google_web_search", "save_memory"),
        *("activate_skill", "invoke_agent", "ask_user", "enter_plan_mode", "exit_plan_mode"),
    }
)


_NOISE = re.compile(
    r"Security Warning: Skipping|Warning: .*(?:terminal|color)|YOLO mode is enabled"
    r"|\[STARTUP\]|Ripgrep is not available|The 'metricReader' option"
)


def without_noise(ending: Ending) -> Ending:
    """*ending* with only those lines of stderr that may say something of the turn."""
    lines = [line for line in ending.stderr_tail.splitlines() if not _NOISE.match(line)]
    return replace(ending, stderr_tail="\n".join(lines))


def told(
    result: Fields | None, trouble: Fields | None, ending: Ending, now: float
) -> Failure | None:
    """The failure that the CLI tells of, if it does.

    Args:
        result: The ``result`` line.
        trouble: The last ``error`` line after which the agent did not go on.
        ending: How the process ended.
        now: Unix time, for times of day.
    """
    error = (result or Fields()).part("error")
    if error:
        kind, said = _of_error(error, ending)
        return failure(kind, said, now)
    if trouble is not None and (result is not None or trouble.text("severity") == "error"):
        said = trouble.text("message")
        return failure(_of_sentence(said) or "crashed", said, now)
    return _of_exit(ending, now)


def objection(trouble: Fields | None, log: EventLog | None, now: float) -> Failure | None:
    """What contradicts a ``result`` line that says success.

    Args:
        trouble: The last ``error`` line after which the agent did not go on.
        log: The event log, which alone knows of an answer that was cut or blocked.
        now: Unix time, for times of day.
    """
    said = (trouble or Fields()).text("message")
    if trouble and (trouble.text("severity") == "error" or _STOPPED.search(said)):
        return failure(_of_sentence(said) or "crashed", said, now)
    reason = log.finish_reason if log else ""
    if reason == "length":
        return Failure("output_limit", "its answer reached the limit of output tokens")
    if reason == "content_filter":
        return Failure("refused", "the model's answer was blocked")
    return None


def refused_tool(name: str, error: Fields) -> bool:
    """Whether a tool call failed because it was not allowed, not for what it did.

    What a policy forbids is not offered at all; a name that no tool has is only a mistake.
    """
    kind, said = error.text("type"), error.text("message")
    if kind == "tool_not_registered":
        return name in _KNOWN_TOOLS
    return kind == "policy_violation" or "requires user confirmation" in said


def _of_error(error: Fields, ending: Ending) -> tuple[FailureKind, str]:
    if kind := _TYPES.get(error.text("type")):
        return kind, error.text("message")
    said, status = _unwrapped(error.text("message"))
    status = status or _OF_EXIT.get(ending.exit_code or 0)
    return _of_api(said, status, ending), said


def _unwrapped(message: str) -> tuple[str, int | None]:
    """The vendor's sentence within ``[API Error: ...]``, and the status it names.

    What follows the bracket is advice of the CLI, which speaks of quotas after every 429.
    """
    found = _WRAPPED.search(message)
    said = found["said"] if found else message
    status: int | None = None
    for _ in range(3):  # an API's error may be wrapped in another's
        inner = (Fields.of_line(_from_brace(said)) or Fields()).part("error")
        if not inner:
            break
        status = inner.count("code") or _WORDS.get(inner.text("status")) or status
        said = inner.text("message") or said
    if word := _STATUS_WORD.search(said):
        status = status or _WORDS.get(word["word"])
    return said, status


def _from_brace(said: str) -> bytes:
    return said[max(0, said.find("{")) :].encode("utf-8", "replace")


def _of_api(said: str, status: int | None, ending: Ending) -> FailureKind:
    kind = _of_sentence(said, status)
    if kind in ("quota", "rate_limited"):
        return _of_limit(said, kind, ending)
    if kind is None:
        return "bad_invocation" if status == 400 else "crashed"
    return kind


def _of_limit(said: str, kind: FailureKind, ending: Ending) -> FailureKind:
    """A used-up quota or a passing limit: the API calls both a quota."""
    wait_s = retry_after_s(said)
    if _USED_UP.search(said) or (wait_s or 0.0) > _PASSING_S:
        return "quota"
    for name, by_stderr in _TOLD_BY_STDERR:
        if name in ending.stderr_tail:
            return by_stderr
    return kind if wait_s is None else "rate_limited"


def _of_sentence(said: str, status: int | None = None) -> FailureKind | None:
    for pattern, kind in _SENTENCES:
        if pattern.search(said):
            return kind
    return kind_of(said, status)


def _of_exit(ending: Ending, now: float) -> Failure | None:
    """Of a process without a ``result`` line: its exit code, and its stderr where that says more.

    Where both are silent the verdict finds its own words.
    """
    code = ending.exit_code or 0
    status = _OF_EXIT.get(code)
    line = next((line for line in _lines(ending) if kind_of(line) or _of_sentence(line)), "")
    if status is not None:
        return failure(_of_api(line, status, ending), line or f"API status {status}", now)
    own = _EXITS.get(code)
    if own is None:
        return None
    kind = _of_sentence(line) if own == "bad_invocation" else own
    said = line or because(ending).removeprefix(": ") or f"exited with {code}"
    return failure(kind or own, said, now)


def _lines(ending: Ending) -> list[str]:
    return [line for line in ending.stderr_tail.splitlines() if line.strip()]
