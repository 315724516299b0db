import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import JSON, NOW, Recordings, lines
from orchcore.agents.adapters.gemini import GeminiAdapter
from orchcore.agents.adapters.gemini_tries import EventLog
from orchcore.events import (
    FinalGiven,
    NoticeGiven,
    SessionStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import FailureKind, Usage

LOG = "/work/turn/gemini-events.json"
RUNS = Recordings("gemini-0.61.0", GeminiAdapter(clock=lambda: NOW), {".events.json": LOG})
ANSWER = "Hello from the fake model. The answer is 42."
AFTER_TOOL = "Done. The tool said what I expected. [final answer]"

SUCCESSES = {
    "text": ANSWER,
    "thinking": ANSWER,
    "resume": ANSWER,
    "big_read": AFTER_TOOL,
    "denied_shell": AFTER_TOOL,
    "denied_write": AFTER_TOOL,
    "tool_agent": AFTER_TOOL,
    "tool_edit": AFTER_TOOL,
    "tool_fail": AFTER_TOOL,
    "tool_read": AFTER_TOOL,
    "tool_shell": AFTER_TOOL,
    "retried": "Hello again.",
    "retried_malformed": "Good one.",
    "unicode": "Zażółć 漢字 🎉 \u2028 line-sep \u0007 bell red \"q\" \\ back\n```py\nprint('x')\n```",
}
FAILURES: dict[str, FailureKind] = {
    "auth_401": "auth",
    "bad_flag": "bad_invocation",
    "big_tool": "truncated",
    "blocked": "refused",
    "cut": "connection",
    "empty": "empty_output",
    "max_tokens": "output_limit",
    "no_key": "auth",
    "overloaded": "overloaded",
    "rate_limit": "rate_limited",
    "resume_unknown": "session_not_found",
    "sig_group_INT": "truncated",
    "sig_group_TERM": "truncated",
    "sig_slow_text_INT": "crashed",
    "stream_error": "connection",
    "usage_limit": "quota",
}

INIT = {"type": "init", "session_id": "s", "model": "m"}
USE = {"type": "tool_use", "tool_name": "read_file", "tool_id": "read_file__1"}
USED = {"type": "tool_result", "tool_id": "read_file__1", "status": "success"}
STATS = {"total_tokens": 122, "input_tokens": 100, "output_tokens": 17, "cached": 30}
GOOD = {"type": "result", "status": "success", "stats": STATS}


def said(text: str, at_s: float | None = None) -> dict[str, Any]:
    piece: dict[str, Any] = {
        "type": "message",
        "role": "assistant",
        "content": text,
        "delta": True,
    }
    return piece if at_s is None else {**piece, "timestamp": f"2026-11-23T16:00:{at_s:06.3f}Z"}


def bad(message: str, **error: str) -> dict[str, Any]:
    failed = {"type": "unknown", "message": message, **error}
    return {"type": "result", "status": "error", "error": failed, "stats": {}}


def trouble(message: str, severity: str = "warning") -> dict[str, Any]:
    return {"type": "error", "severity": severity, "message": message}


def kind_of(stream: bytes, **end: Any) -> FailureKind | None:
    failure = RUNS.replay(stream, **end).result.failure
    return failure.kind if failure else None


@pytest.mark.parametrize(("name", "text"), SUCCESSES.items())
def test_recorded_success_succeeds(name: str, text: str) -> None:
    """A recorded run that answered is a success with its text, session and tokens."""
    result = RUNS.recorded(name).result
    assert result.failure is None
    assert result.text == text
    assert result.session_id
    assert result.usage.input_tokens
    assert result.cost_usd is None
    assert (result.unknown_events, result.malformed_lines, result.truncated) == (0, 0, False)
    assert result.warnings == ()


@pytest.mark.parametrize(("name", "kind"), FAILURES.items())
def test_recorded_failure_has_its_kind(name: str, kind: FailureKind) -> None:
    """A recorded run that failed is classified, whatever its exit code; it has no text."""
    result = RUNS.recorded(name).result
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.failure.detail
    assert result.text == ""


def test_every_recording_is_judged() -> None:
    """No recorded stream is left without a claim about its verdict."""
    assert set(RUNS.names) == {*SUCCESSES, *FAILURES}


def test_text_turn_tells_session_text_and_end() -> None:
    """A plain turn gives the session, the echo as a sign of life, pieces of text and the end."""
    turn = RUNS.recorded("text")
    assert isinstance(turn.events[0], SessionStarted)
    assert turn.events[0].model == "gemini-2.5-flash"
    assert turn.events[1] == NoticeGiven()
    assert "".join(piece.text for piece in turn.of(TextWritten)) == ANSWER
    assert all(piece.partial for piece in turn.of(TextWritten))
    assert turn.events[-1] == FinalGiven(ok=True)


def test_thoughts_are_output() -> None:
    """Cached tokens are part of the input; thoughts, which only the total has, of the output."""
    turn = RUNS.recorded("text")
    assert turn.result.usage == Usage(100, 22, 30)
    assert turn.of(UsageReported) == [UsageReported(Usage(100, 22, 30))]
    assert turn.result.models == {"gemini-2.5-flash": Usage(100, 22, 30)}


def test_broken_reply_is_not_free() -> None:
    """Zero tokens are believed of a refused request, not of a reply that broke off."""
    assert RUNS.recorded("auth_401").result.usage == Usage(0, 0, 0)
    assert RUNS.recorded("cut").result.usage == Usage()


def test_tools_are_told() -> None:
    """A tool call has its name, a summary and its end; a command that exits 3 is a success."""
    turn = RUNS.recorded("tool_fail")
    (started,), (ended,) = turn.of(ToolStarted), turn.of(ToolEnded)
    assert (started.name, started.summary) == (
        "run_shell_command",
        "echo out; echo oops >&2; exit 3",
    )
    assert ended == ToolEnded(started.call_id, "run_shell_command", ok=True)
    assert RUNS.recorded("tool_edit").result.tools == (("read_file", True), ("replace", True))


@pytest.mark.parametrize(
    ("name", "error", "denied"),
    [
        ("write_file", {"type": "tool_not_registered"}, True),
        ("no_such_tool", {"type": "tool_not_registered"}, False),
        ("write_file", {"type": "policy_violation"}, True),
        ("write_file", {"type": "file_not_found", "message": "no such file"}, False),
        ("write_file", {"message": 'Tool "Edit" requires user confirmation, which is not'}, True),
    ],
)
def test_denied_tools_are_marked(name: str, error: dict[str, str], denied: bool) -> None:
    """A tool that is not offered or not allowed is denied; a failed or unknown one is not."""
    used = {"type": "tool_result", "tool_id": f"{name}__1", "status": "error", "error": error}
    turn = RUNS.replay(lines(INIT, used, GOOD))
    assert turn.of(ToolEnded) == [ToolEnded(f"{name}__1", name, ok=False, denied=denied)]
    kind = "permission_denied" if denied else "empty_output"
    assert turn.result.failure is not None
    assert turn.result.failure.kind == kind
    assert RUNS.replay(lines(INIT, used, said("so be it"), GOOD)).result.failure is None


def test_answer_is_what_came_after_the_last_tool() -> None:
    """What was said before a tool call is not the answer; without more there is none."""
    stream = lines(INIT, said("Let me see."), USE, USED, said("It "), said("works."), GOOD)
    assert RUNS.replay(stream).result.text == "It works."
    assert kind_of(lines(INIT, said("Let me see."), USE, USED, GOOD)) == "empty_output"


def test_whole_message_replaces_its_pieces() -> None:
    """A message that is no piece is the whole text."""
    whole = {**said("It works."), "delta": False}
    turn = RUNS.replay(lines(INIT, said("It "), whole, GOOD))
    assert turn.result.text == "It works."
    assert [piece.partial for piece in turn.of(TextWritten)] == [True, False]


def test_log_tells_failed_tries_apart() -> None:
    """With an event log, what came up to a retry is left out, and a long pause changes nothing."""
    assert RUNS.recorded("retried").result.text == "Hello again."
    log = RUNS.end_of("max_tokens")["files"][LOG].replace(b'"length"', b'"stop"')
    slow = lines(INIT, said("One ", 1.0), said("two", 2.1), GOOD)
    assert RUNS.replay(slow, files={LOG: log}).result.text == "One two"


def test_log_may_be_cut_anywhere() -> None:
    """Only the end of a long log is read back."""
    log = RUNS.end_of("retried")["files"][LOG]
    end = log[log.index(b"user_prompt") :]
    assert EventLog.of(end) == EventLog.of(log)
    for start in range(0, len(log), 97):
        EventLog.of(log[start:])
    assert EventLog.of(b"") is None
    assert EventLog.of(b"\xff{}\n[]\n") is None


def test_reason_may_stand_before_the_last_piece() -> None:
    """A reply that was cut at its limit ends with pieces that have no reason of their own."""
    log = RUNS.end_of("max_tokens")["files"][LOG]
    later = log.replace(b'"length"\n', b'"length",\n      "stop"\n')
    assert later != log
    assert EventLog.of(later) == EventLog.of(log) == EventLog((), "length")


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((("Half a", 1.0), ("n", 1.1), ("Whole ", 2.15), ("one", 2.2)), "Whole one"),
        ((("Half", 1.0), ("Half", 2.1), ("Half", 4.2), ("All", 8.4)), "All"),
        ((("Half", 1.0), ("More", 2.1), ("And", 3.2)), "HalfMoreAnd"),
        ((("Slow ", 1.0), ("model", 4.0)), "Slow model"),
        ((("Half a", 1.0), ("n", 1.1), ("Hal", 7.0), ("f an answer", 7.1)), "Half an answer"),
        ((("a", 0.0), ("a", 10.0)), "aa"),
        ((("a", 0.0), ("b", 1.1), ("c", 3.2), ("d", 7.3), ("e", 15.4)), "abcde"),
    ],
)
def test_without_a_log_pauses_tell(pieces: tuple[tuple[str, float], ...], text: str) -> None:
    """Pauses just as long as the retries', or a text that begins again, mark a failed try."""
    stream = lines(INIT, *(said(piece, at_s) for piece, at_s in pieces), GOOD)
    result = RUNS.replay(stream).result
    assert (result.failure, result.text) == (None, text)
    assert bool(result.warnings) == (text != "".join(piece for piece, _ in pieces))


def test_recorded_retry_without_its_log() -> None:
    """The same answer is found in a recorded retry without its event log, with a warning."""
    result = RUNS.replay(RUNS.stream("retried")).result
    assert (result.text, len(result.warnings)) == ("Hello again.", 1)


API_401 = '{"error":{"code":401,"message":"API key not valid.","status":"UNAUTHENTICATED"}}'
API_400 = '{"error":{"code":400,"message":"%s","status":"INVALID_ARGUMENT"}}'
ADVICE = "\nPlease wait. To increase your limits, request a quota increase through AI Studio"
LATER = "You have exhausted your capacity on this model. Your quota will reset after 2h39m52s."
PLAN = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("message", "end", "kind"),
    [
        (f"[API Error: {API_401}]", {"exit_code": 145}, "auth"),
        ("[API Error: nope]", {"exit_code": 147}, "auth"),
        (f"[API Error: {API_400 % 'API key not valid. Please pass one.'}]", {}, "auth"),
        (f"[API Error: {API_400 % 'The input token count (12) exceeds'}]", {}, "context_length"),
        (f"[API Error: {API_400 % 'odd'}]", {"exit_code": 144}, "bad_invocation"),
        (f"[API Error: {json.dumps({'error': {'message': API_401}})}]", {}, "auth"),
        ("[API Error: It broke (Status: UNAVAILABLE)]", {}, "overloaded"),
        ("[API Error: models/x is not found for API version v1beta]", {}, "model_not_found"),
        ("[API Error: An internal error has occurred.]", {"exit_code": 244}, "server_error"),
        ("[API Error: exception TypeError: fetch failed sending request]", {}, "connection"),
        (f"[API Error: Slow down.]{ADVICE}", {"exit_code": 173}, "rate_limited"),
        (f"[API Error: {PLAN}]{ADVICE}", {"exit_code": 173}, "quota"),
        (f"[API Error: {PLAN}\nPlease retry in 27.5s.]", {"exit_code": 173}, "rate_limited"),
        (f"[API Error: {LATER}]{ADVICE}", {"exit_code": 173}, "quota"),
        (f"[API Error: {PLAN}]", {"stderr_tail": "x RetryableQuotaError: y"}, "rate_limited"),
        ("[API Error: Too many requests]", {"stderr_tail": "TerminalQuotaError: y"}, "quota"),
        ("[API Error: \ud83d {]", {}, "crashed"),
        ("", {}, "crashed"),
    ],
)
def test_api_errors(message: str, end: dict[str, Any], kind: FailureKind) -> None:
    """The vendor's own error within the CLI's decides, then its status, then the exit code."""
    assert kind_of(lines(INIT, bad(message)), **{"exit_code": 1, **end}) == kind


@pytest.mark.parametrize(
    ("kind_told", "kind"),
    [
        ("FatalTurnLimitedError", "turn_limit"),
        ("FatalCancellationError", "cancelled"),
        ("FatalAuthenticationError", "auth"),
        ("FatalInputError", "bad_invocation"),
        ("FatalToolExecutionError", "crashed"),
    ],
)
def test_own_errors(kind_told: str, kind: FailureKind) -> None:
    """The CLI's own errors are told by their type."""
    assert kind_of(lines(INIT, bad("It ended.", type=kind_told)), exit_code=54) == kind


def test_quota_tells_when_it_is_reset() -> None:
    """A wait is read from the vendor's sentence."""
    failure = RUNS.replay(lines(INIT, bad(f"[API Error: {LATER}]")), exit_code=173).result.failure
    assert failure is not None
    assert failure.retry_after_s == 2 * 3600 + 39 * 60 + 52
    limited = RUNS.recorded("rate_limit").result.failure
    assert limited is not None
    assert limited.retry_after_s == 1.5


@pytest.mark.parametrize(
    ("message", "severity", "kind"),
    [
        ("Loop detected, stopping execution", "warning", "turn_limit"),
        ("Maximum session turns exceeded", "error", "turn_limit"),
        ("Agent execution blocked: by a hook", "warning", "refused"),
        ("The model response was blocked due to safety settings.", "error", "refused"),
        (
            "Model response was truncated because it exceeded the token limit.",
            "error",
            "output_limit",
        ),
        ("Something new", "error", "crashed"),
        ("Something new", "warning", None),
    ],
)
def test_trouble_before_success(message: str, severity: str, kind: FailureKind | None) -> None:
    """A success that a stop or an error contradicts is none, unless the agent went on after it."""
    event = trouble(message, severity)
    assert kind_of(lines(INIT, said("yes"), event, GOOD)) == kind
    assert kind_of(lines(INIT, event, said("yes"), GOOD)) is None


def test_error_without_a_reason_has_the_last_trouble() -> None:
    """A broken reply is told by the line before the end, with exit code 0."""
    failed = {"type": "result", "status": "error", "stats": STATS}
    event = trouble("Model stream ended with malformed function call.", "error")
    assert kind_of(lines(INIT, said("yes"), event, failed)) == "invalid_output"
    assert kind_of(lines(INIT, said("yes"), failed)) == "crashed"
    assert kind_of(lines(INIT, said("yes"), event)) == "invalid_output"


@pytest.mark.parametrize(
    ("stderr", "exit_code", "kind"),
    [
        ("Invalid auth method selected.", 41, "auth"),
        ("Please set an Auth method in your settings.json", 41, "auth"),
        ("odd", 41, "auth"),
        (
            "Error resuming session: No previous sessions found for this project.",
            42,
            "session_not_found",
        ),
        ('Session ID "x" already exists. Use --resume', 42, "bad_invocation"),
        ("No input provided via stdin.", 42, "bad_invocation"),
        ("", 53, "turn_limit"),
        ("Gemini CLI is not running in a trusted directory.", 55, "bad_invocation"),
        ("TerminalQuotaError: You have exhausted your daily quota", 173, "quota"),
        ("", 173, "rate_limited"),
        ("", 247, "overloaded"),
        ("odd", 1, "crashed"),
        ("Security Warning: Skipping system defaults file '/quota/a'", 1, "crashed"),
        ("", 0, "empty_output"),
    ],
)
def test_without_a_line_the_exit_code_tells(stderr: str, exit_code: int, kind: FailureKind) -> None:
    """A process that printed nothing is told by its stderr and its exit code."""
    assert kind_of(b"", exit_code=exit_code, stderr_tail=stderr) == kind


@pytest.mark.parametrize(
    ("change", "end", "kind"),
    [
        ({}, {"exit_code": 1}, "crashed"),
        ({}, {"exit_code": -9}, "crashed"),
        ({}, {"cut_line": b'{"type":"me'}, "truncated"),
        ({}, {"ended_by_us": True}, "cancelled"),
        ({"status": "error"}, {}, "crashed"),
        ({"status": None}, {}, "crashed"),
        ({"type": "message"}, {}, "truncated"),
    ],
)
def test_contradicted_success_is_a_failure(
    change: dict[str, Any], end: dict[str, Any], kind: FailureKind
) -> None:
    """A final event that says success is believed only if nothing speaks against it."""
    assert kind_of(lines(INIT, said("yes"), {**GOOD, **change}), **end) == kind


def test_going_on_after_the_result_is_no_success() -> None:
    """A turn that goes on after its result was cut off; a second result ends it."""
    assert kind_of(lines(INIT, said("yes"), GOOD, said("no"))) == "truncated"
    assert RUNS.replay(lines(INIT, said("a"), GOOD, said("b"), GOOD)).result.text == "ab"


def test_unknown_exit_code_does_not_contradict() -> None:
    """A process that had to be ended after its final event still counts."""
    assert kind_of(lines(INIT, said("yes"), GOOD), exit_code=None) is None


def test_mostly_unknown_lines_are_another_protocol() -> None:
    """One unknown line harms nothing; many mean another protocol."""
    new = {"type": "from_the_future"}
    few = RUNS.replay(lines(INIT, new, said("yes"), GOOD)).result
    assert (few.unknown_events, few.failure) == (1, None)
    assert kind_of(lines(INIT, *[new] * 4, said("yes"), GOOD)) == "protocol"
    assert kind_of(lines(new)) == "protocol"


KEYS = ["role", "content", "delta", "timestamp", "status", "error", "stats", "tool_id", "severity"]
KINDS = ["init", "message", "tool_use", "tool_result", "error", "new"]
WORDS = st.sampled_from(["assistant", "success", "2026-11-23T16:00:01Z", "error"])


@st.composite
def odd_lines(draw: st.DrawFn, kinds: list[str]) -> bytes:
    """A line of a known or unknown type with fields of any type."""
    fields = draw(st.dictionaries(st.sampled_from(KEYS), JSON | WORDS, max_size=4))
    return json.dumps({**fields, "type": draw(st.sampled_from(kinds))}).encode()


@given(st.lists(st.binary(max_size=40) | odd_lines(KINDS)), st.binary(max_size=60))
def test_anything_may_be_printed(printed: list[bytes], log: bytes) -> None:
    """No bytes raise, and without a result line nothing is a success."""
    assert kind_of(b"\n".join(printed), files={LOG: log}) is not None


@given(st.lists(odd_lines([*KINDS, "result"])), st.integers(0, 255), st.text(max_size=30))
def test_results_may_be_odd(printed: list[bytes], exit_code: int, stderr: str) -> None:
    """A result of any shape raises nothing, and no other exit code than 0 is a success."""
    failed = kind_of(b"\n".join(printed) + b"\n", exit_code=exit_code, stderr_tail=stderr)
    assert failed is not None or exit_code == 0


@given(st.sampled_from(RUNS.names), st.data())
def test_cut_anywhere_is_never_a_false_success(name: str, data: st.DataObject) -> None:
    """A recorded stream that stops anywhere before its last newline is no success."""
    RUNS.fail_when_cut(name, data)


@given(st.sampled_from(list(SUCCESSES)), st.data())
def test_unknown_lines_anywhere_change_no_verdict(name: str, data: st.DataObject) -> None:
    """Two lines of unknown types anywhere leave the answer as it was."""
    RUNS.keep_their_answer(name, data)


@given(st.sampled_from(RUNS.names), st.data())
def test_damaged_stream_never_raises(name: str, data: st.DataObject) -> None:
    """Bytes overwritten anywhere raise nothing."""
    RUNS.survive_damage(name, data)


def test_an_answer_that_lost_a_piece_is_no_success() -> None:
    """Pieces make the answer, so a torn line changes what it says; noise that is no JSON does not."""
    whole = lines(INIT, said("do "), said("NOT "), said("delete it"), GOOD)
    torn = whole.replace(b'"NOT "', b'"NOT')
    failure = RUNS.replay(torn).result.failure
    assert failure is not None
    assert failure.kind == "protocol"
    assert RUNS.replay(b"npm warn old\n" + whole).result.text == "do NOT delete it"
