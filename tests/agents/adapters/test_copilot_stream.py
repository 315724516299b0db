import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import JSON, NEW_ID, NOW, Recordings, Replayed, lines
from orchcore.agents.adapters.copilot import CopilotAdapter
from orchcore.agents.adapters.protocol import Ending
from orchcore.events import (
    FinalGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import Failure, FailureKind, Usage

COPILOT = Recordings("copilot-1.0.102", CopilotAdapter(clock=lambda: NOW))
ANSWER = "Hello from the fake model. The answer is 42."
NAMES = COPILOT.names

SUCCESSES = (
    *("text", "thinking", "resume", "unicode", "tool_shell", "tool_fail", "tool_edit"),
    *("tool_read", "tool_agent", "big_read", "denied_write", "denied_shell"),
    *("background_agent", "withheld_tools", "continued"),
)
FAILURES: dict[str, FailureKind] = {
    "auth_401": "auth",
    "bad_flag": "bad_invocation",
    "cut": "connection",
    "empty": "empty_output",
    "overloaded": "overloaded",
    "rate_limit": "rate_limited",
    "resume_unknown": "session_not_found",
    "sig_group_INT": "cancelled",
    "sig_group_TERM": "cancelled",
    "sig_slow_text_INT": "crashed",
    "stream_error": "overloaded",
    "usage_limit": "quota",
}


def event(kind: str, agent: str = "", **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, **({"agentId": agent} if agent else {})}


START = event("session.tools_updated", model="m")
SAID = event("assistant.message", messageId="1", content="yes", toolRequests=[])
IDLE = event("assistant.idle")
GOOD: dict[str, Any] = {"type": "result", "sessionId": "s", "exitCode": 0, "usage": {}}
BAD = {**GOOD, "exitCode": 1}


def turn(*events: dict[str, Any], **end: Any) -> Replayed:
    return COPILOT.replay(lines(*events), **end)


def failure_of(*events: dict[str, Any], **end: Any) -> Failure:
    failure = turn(*events, **end).result.failure
    assert failure is not None
    return failure


@pytest.mark.parametrize("name", SUCCESSES)
def test_recorded_success_succeeds(name: str) -> None:
    """A recorded run that answered is a success with its text and session."""
    result = COPILOT.recorded(name).result
    assert result.failure is None
    assert result.text
    assert result.session_id not in (None, NEW_ID)
    assert (result.unknown_events, result.malformed_lines, result.truncated) == (0, 0, False)


@pytest.mark.parametrize(("name", "kind"), FAILURES.items())
def test_recorded_failure_has_its_kind(name: str, kind: FailureKind) -> None:
    """A recorded run that failed is classified from its fields, whatever its exit code."""
    result = COPILOT.recorded(name).result
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.failure.detail
    assert result.text == ""
    assert result.unknown_events == 0


def test_every_recording_is_judged() -> None:
    """No recorded stream is left without a claim about its verdict."""
    assert set(NAMES) == {*SUCCESSES, *FAILURES}


def test_text_turn_tells_session_text_and_end() -> None:
    """A plain turn gives the session, the text in pieces and whole, and the final event."""
    text = COPILOT.recorded("text")
    assert text.of(SessionStarted) == [SessionStarted(NEW_ID, "fake-model", None)]
    written = text.of(TextWritten)
    assert "".join(piece.text for piece in written if piece.partial) == ANSWER
    assert [whole.text for whole in written if not whole.partial] == [ANSWER]
    assert text.events[-1] == FinalGiven(ok=True)
    assert text.result.text == ANSWER
    assert text.result.session_id == "3cf33b97-40f4-4607-8f07-5774b71c9426"


def test_thoughts_are_told() -> None:
    """Thoughts come in pieces and whole, and are not the answer."""
    thoughts = COPILOT.recorded("thinking").of(ThinkingWritten)
    whole = [thought.text for thought in thoughts if not thought.partial]
    assert whole == ["First I consider the question. Then I answer."]
    assert "".join(thought.text for thought in thoughts if thought.partial) == whole[0]


def test_tool_call_is_told_with_its_command() -> None:
    """A tool call starts with a summary of its input and ends with what the CLI says of it."""
    shell = COPILOT.recorded("tool_shell")
    started, ended = shell.of(ToolStarted)[0], shell.of(ToolEnded)[0]
    assert (started.name, started.summary) == ("bash", "echo hi")
    assert (ended.call_id, ended.name, ended.ok) == (started.call_id, "bash", True)
    assert COPILOT.recorded("tool_agent").result.tools == (("task", False),)
    # A command that exits with 3 is a tool call that went well.
    assert COPILOT.recorded("tool_fail").result.tools == (("bash", True),)


def test_what_is_said_before_a_tool_is_not_the_answer() -> None:
    """The answer is what comes after the last tool call."""
    assert COPILOT.recorded("tool_shell").result.text.startswith("Done.")
    asks = event("assistant.message", content="Let me.", toolRequests=[{"toolCallId": "1"}])
    call = event("tool.execution_start", toolCallId="1", toolName="bash")
    assert failure_of(START, asks, GOOD).kind == "empty_output"
    assert failure_of(START, SAID, call, GOOD).kind == "empty_output"


@pytest.mark.parametrize("name", ["denied_write", "denied_shell"])
def test_denied_tool_is_marked(name: str) -> None:
    """A tool that was refused ends as denied."""
    ended = COPILOT.recorded(name).of(ToolEnded)
    assert [(end.ok, end.denied) for end in ended] == [(False, True)]


def test_withheld_tool_is_denied_and_an_unknown_one_is_not() -> None:
    """A tool that was not offered "does not exist", like one that never did."""
    ended = COPILOT.recorded("withheld_tools").of(ToolEnded)
    told = [(end.name, end.denied) for end in ended]
    assert told == [("create", True), ("no_such_tool", False)]


def test_denied_and_then_silent_is_permission_denied() -> None:
    """A turn that ends without an answer after a denial failed of it."""
    call = event("tool.execution_start", toolCallId="1", toolName="bash")
    denial = event("tool.execution_complete", toolCallId="1", error={"code": "denied"})
    assert failure_of(START, call, denial, GOOD).kind == "permission_denied"
    well = event("tool.execution_complete", toolCallId="1", success=True)
    assert failure_of(START, call, denial, call, well, GOOD).kind == "empty_output"
    assert turn(START, call, denial, SAID, GOOD).result.failure is None


def test_background_agents_words_are_not_the_answer() -> None:
    """The agent speaks again when its background agent is done; the last it says counts."""
    told = COPILOT.recorded("background_agent")
    assert told.result.tools == (("task", True), ("read_agent", True))
    said = [text.text for text in told.of(TextWritten) if not text.partial]
    assert "Hello from the fake model. Prompts seen: 0." not in said
    late = event("assistant.message", "a1", content="sub-agent", toolRequests=[])
    assert turn(START, SAID, late, GOOD).result.text == "yes"


def test_trouble_of_a_sub_agent_is_not_the_turns() -> None:
    """Errors, failed requests, thoughts and pieces of a sub-agent change nothing."""
    kinds = (
        "session.error",
        "model.call_failure",
        "abort",
        "assistant.idle",
        "assistant.turn_retry",
    )
    odd = [event(kind, "a1", message="m", aborted=True, statusCode=500) for kind in kinds]
    pieces = [
        event(kind, "a1", deltaContent="psst", content="psst")
        for kind in ("assistant.message_delta", "assistant.reasoning", "assistant.reasoning_delta")
    ]
    pieces += [
        event("session.start", "a1", sessionId="other"),
        event("tool.execution_start", "a1", toolCallId="9", toolName="grep"),
    ]
    told = turn(START, SAID, *odd, *pieces, GOOD)
    assert turn(START, *pieces).result.session_id == NEW_ID
    assert (told.result.failure, told.result.text) == (None, "yes")
    assert "psst" not in str(told.events)


def test_pieces_of_a_failed_try_are_no_answer() -> None:
    """Text of a try that failed is shown and never the answer."""
    half = event("assistant.message_delta", messageId="0", deltaContent="Half")
    again = event("assistant.turn_retry", reason="streaming_error")
    assert turn(START, half, again, SAID, GOOD).result.text == "yes"
    assert failure_of(START, half, again, half, GOOD).kind == "empty_output"
    assert failure_of(START, SAID, again, half, GOOD).kind == "empty_output"


def test_message_in_chunks_is_one() -> None:
    """A message that thoughts divide comes in chunks; a new one begins anew."""
    chunks = [
        event("assistant.message", content=text, chunkIndex=index, chunkCount=2)
        for index, text in enumerate(("one, ", "two"))
    ]
    assert turn(START, SAID, *chunks, GOOD).result.text == "one, two"


def test_answer_longer_than_one_output_is_put_together() -> None:
    """A cut answer has no message of its own; its pieces and the rest are the answer."""
    result = COPILOT.recorded("continued").result
    assert result.text == "The answer begins, goes on, and ends."
    assert result.warnings == ("the answer was longer than one output of the model: 3 parts",)
    assert COPILOT.recorded("text").result.warnings == ()
    half = event("assistant.message_delta", deltaContent="Half")
    begin, failed = event("assistant.turn_start"), event("model.call_failure", statusCode=500)
    assert turn(START, begin, half, failed, half, begin, SAID, GOOD).result.text == "Halfyes"
    call = event("tool.execution_start", toolCallId="1", toolName="bash")
    assert turn(START, begin, half, begin, call, begin, SAID, GOOD).result.text == "yes"


def test_empty_message_takes_nothing_back() -> None:
    """A message without text and tools is none."""
    nothing = event("assistant.message", content="", toolRequests=[])
    assert turn(START, SAID, nothing, GOOD).result.text == "yes"


def test_abort_with_exit_code_0_is_no_success() -> None:
    """An aborted turn says 0 in its result and in its exit code."""
    interrupted = event("abort", reason="user_initiated")
    aborted = event("assistant.idle", aborted=True)
    for told in ((interrupted,), (aborted,), (interrupted, aborted)):
        replayed = turn(START, SAID, *told, GOOD)
        assert replayed.of(FinalGiven) == [FinalGiven(ok=False)]
        assert replayed.result.failure is not None
        assert replayed.result.failure.kind == "cancelled"
        assert replayed.result.text == ""


def test_filtered_answer_is_refused() -> None:
    """What the CLI writes in place of an answer that was filtered is no answer."""
    sentence = (
        "The model returned no content because the response was blocked by content filtering."
    )
    failure = failure_of(START, event("assistant.message", content=sentence), GOOD)
    assert (failure.kind, failure.detail) == ("refused", sentence)


def test_credit_limit_is_a_budget() -> None:
    """The CLI's own limit of credits is a budget, however it is told."""
    assert failure_of(START, SAID, event("abort", reason="autopilot_credit_limit"), GOOD).kind == (
        "budget"
    )
    assert failure_of(START, SAID, event("session_limits_exhausted.requested"), BAD).kind == (
        "budget"
    )


def test_error_is_forgiven_by_an_answer_only() -> None:
    """An error that nothing was said after contradicts a good result."""
    error = event("session.error", errorType="query", message="Overloaded", statusCode=503)
    assert turn(START, error, SAID, GOOD).result.failure is None
    assert failure_of(START, SAID, error, GOOD).kind == "overloaded"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"errorType": "authentication", "message": "x"}, "auth"),
        ({"errorType": "authorization", "message": "x"}, "auth"),
        ({"errorType": "quota", "errorCode": "quota_exceeded", "message": "x"}, "quota"),
        ({"errorType": "quota", "errorCode": "billing_not_configured"}, "billing"),
        ({"errorType": "rate_limit", "errorCode": "user_weekly_rate_limited"}, "quota"),
        ({"errorType": "rate_limit", "message": "wait", "statusCode": 429}, "rate_limited"),
        ({"errorType": "rate_limit", "message": "wait"}, "rate_limited"),
        ({"errorType": "context_limit", "message": "x"}, "context_length"),
        ({"errorType": "policy", "message": "x"}, "refused"),
        (
            {"errorType": "query", "message": "Last error: 500 oh", "statusCode": 500},
            "server_error",
        ),
        ({"errorType": "query", "message": "Model 'm' not found (HTTP 404)."}, "model_not_found"),
        (
            {"errorType": "query", "message": "client error (SendRequest): ECONNREFUSED"},
            "connection",
        ),
        ({"errorType": "new", "message": "what?"}, "crashed"),
    ],
)
def test_errors_have_kinds(error: dict[str, Any], kind: FailureKind) -> None:
    """What only the CLI knows is in the type, what the provider said in the message."""
    assert failure_of(START, event("session.error", **error), BAD).kind == kind


def test_failed_request_tells_what_the_error_leaves_out() -> None:
    """A bad result without an error is explained by the last request that failed."""
    call = event("model.call_failure", errorMessage='"gone"', failureKind="transport")
    assert failure_of(START, call, BAD).kind == "connection"
    assert failure_of(START, call).kind == "truncated"
    assert failure_of(START, BAD).kind == "crashed"


def test_limits_tell_when_to_come_back() -> None:
    """The wait and the time of a reset are read from where the provider gave them."""
    limited = COPILOT.recorded("rate_limit").result.failure
    assert limited is not None
    assert limited.detail.startswith("429 Rate limit reached")
    assert (limited.retry_after_s, limited.resets_at) == (1.5, None)
    used_up = COPILOT.recorded("usage_limit").result.failure
    assert used_up is not None
    assert (used_up.retry_after_s, used_up.resets_at) == (3600, 1795456501)


def test_retries_are_told() -> None:
    """Each retry of the CLI is told with its reason, its number and the wait that was asked for."""
    assert COPILOT.recorded("rate_limit").of(RetryNoticed) == [
        RetryNoticed("429 rate_limit", attempt, 1.5) for attempt in range(1, 6)
    ]
    assert COPILOT.recorded("cut").of(RetryNoticed)[0] == RetryNoticed("streaming_error", 1, None)
    unexplained = turn(START, event("assistant.turn_retry")).of(RetryNoticed)
    assert unexplained == [RetryNoticed("connection", None, None)]


def test_session_is_known_from_its_first_line() -> None:
    """A killed turn tells no id; the chosen one is known as soon as the CLI began."""
    killed = COPILOT.recorded("sig_group_TERM").result
    assert (killed.session_id, killed.truncated) == (NEW_ID, True)
    assert COPILOT.recorded("sig_group_TERM", resume="old").result.session_id == "old"
    assert COPILOT.recorded("bad_flag").result.session_id is None
    begins = event("session.start", sessionId="told", copilotVersion="1.0.102")
    assert turn(begins).of(SessionStarted) == [SessionStarted("told", None, "1.0.102")]
    assert turn(event("user.message")).of(SessionStarted) == [SessionStarted(NEW_ID)]


def used(**models: tuple[int, int, int]) -> bytes:
    metrics = {
        name: {"usage": {"inputTokens": fresh, "outputTokens": out, "cacheReadTokens": cached}}
        for name, (fresh, out, cached) in models.items()
    }
    return json.dumps({"totalUserRequests": 1, "modelMetrics": metrics}, indent=2).encode()


def spent(content: bytes, **changes: Any) -> tuple[Usage, Any]:
    asked = COPILOT.asked(**changes)
    result = COPILOT.replay(
        lines(START, SAID, GOOD), asked=asked, files={"/work/turn/usage.json": content}
    ).result
    assert result.failure is None
    return result.usage, result.models


def test_tokens_are_in_the_usage_file() -> None:
    """Tokens of all models are counted; no file, or a broken one, is not a failure."""
    usage, models = spent(used(a=(150, 17, 30), b=(10, 1, 0)))
    assert usage == Usage(160, 18, 30)
    assert models == {"a": Usage(150, 17, 30), "b": Usage(10, 1, 0)}
    assert spent(b"") == (Usage(), {})
    assert spent(b"{") == (Usage(), {})
    assert spent(b'{"modelMetrics":{"a":1}}') == (Usage(), {"a": Usage()})


def test_tokens_of_a_resumed_session_are_sums() -> None:
    """What was spent before is taken off; unknown, it leaves the turn's own tokens unknown."""
    both = used(a=(300, 34, 60))
    before = Usage(150, 17, 30)
    assert spent(both, resume="s", spent_before=before) == (before, {"a": before})
    assert spent(both, resume="s") == (Usage(), {})
    half_known = spent(both, resume="s", spent_before=Usage(150, None, 90))[0]
    assert half_known == Usage(150, None, None)
    several = spent(used(a=(300, 34, 60), b=(1, 1, 1)), resume="s", spent_before=before)
    assert several == (Usage(151, 18, 31), {})


def test_tokens_of_each_request_count_if_they_are_told() -> None:
    """A version that prints what the schema has needs no file, resumed or not."""
    call = event("assistant.usage", model="a", inputTokens=5, outputTokens=2, cacheReadTokens=1)
    told = COPILOT.replay(
        lines(START, call, call, SAID, GOOD), asked=COPILOT.asked(resume="s"), files={"f": b"{}"}
    )
    assert told.of(UsageReported)[-1] == UsageReported(Usage(10, 4, 2))
    assert told.result.usage == Usage(10, 4, 2)
    assert told.result.models == {"a": Usage(10, 4, 2)}


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ({"exit_code": 1}, "crashed"),
        ({"exit_code": -9}, "crashed"),
        ({"cut_line": b'{"type":"resu'}, "truncated"),
        ({"ended_by_us": True}, "cancelled"),
    ],
)
def test_contradicted_success_is_a_failure(end: dict[str, Any], kind: FailureKind) -> None:
    """A final event that says success is believed only if nothing speaks against it."""
    assert failure_of(START, SAID, GOOD, **end).kind == kind


def test_unknown_exit_code_does_not_contradict() -> None:
    """A process that had to be ended after its final event still counts."""
    assert turn(START, SAID, GOOD, exit_code=None).result.failure is None


@pytest.mark.parametrize("code", [None, "0", True, 0.5, [], -1])
def test_strange_exit_code_in_the_result_is_no_success(code: object) -> None:
    """Only a plain 0 says that all went well."""
    assert failure_of(START, SAID, {**GOOD, "exitCode": code}).kind == "crashed"


def test_going_on_after_the_result_is_no_success() -> None:
    """A result counts only if it is the end."""
    for more in (event("assistant.turn_start"), event("tool.execution_start"), SAID):
        assert turn(START, SAID, GOOD, more).result.failure is not None
    assert turn(START, SAID, GOOD, event("session.background_tasks_changed")).result.failure is None


def test_unknown_types_are_counted() -> None:
    """One unknown line is counted and harms nothing; many mean another protocol."""
    new = {"type": "session.from_the_future"}
    few = turn(START, new, SAID, GOOD).result
    assert (few.unknown_events, few.failure) == (1, None)
    assert failure_of(START, *[new] * 4, SAID, GOOD).kind == "protocol"
    assert failure_of(new).kind == "protocol"


def test_silence_is_told_by_stderr() -> None:
    """A CLI that never spoke is explained by what it wrote beside."""
    login = "Error: No authentication information found.\n\nCopilot can be authenticated with ..."
    assert failure_of(exit_code=1, stderr_tail=login).kind == "auth"
    bad_id = "Error: No session or task matched 'abc'.\nThe value is not a valid UUID, so ..."
    assert failure_of(exit_code=1, stderr_tail=bad_id).kind == "session_not_found"
    nothing = "No prompt provided. Run in an interactive terminal or provide a prompt with -p"
    assert failure_of(exit_code=1, stderr_tail=nothing).kind == "bad_invocation"
    assert failure_of(exit_code=0).kind == "empty_output"


KINDS = (
    *("session.tools_updated", "assistant.message", "assistant.message_delta", "abort", "new"),
    *("tool.execution_start", "tool.execution_complete", "model.call_failure", "session.error"),
    *("assistant.turn_retry", "assistant.usage", "session.info", "assistant.idle"),
)
KEYS = (
    *("content", "toolRequests", "toolCallId", "error", "message", "errorMessage", "arguments"),
    *("chunkIndex", "statusCode", "retryAttempt", "reason", "model", "inputTokens", "sessionId"),
)


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """A line of a known or unknown type with fields of any type."""
    data = draw(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4) | JSON)
    return json.dumps({"type": draw(st.sampled_from(KINDS)), "data": data}).encode()


@given(st.lists(st.binary(max_size=40) | odd_lines()), JSON, st.binary(max_size=30))
def test_anything_may_be_printed(printed: list[bytes], code: object, usage: bytes) -> None:
    """No bytes raise, and without a result line nothing is a success."""
    stream = b"\n".join([*printed, b""])
    assert COPILOT.replay(stream, files={"u": usage}).result.failure is not None
    COPILOT.replay(stream + lines({"type": "result", "exitCode": code}))


@given(st.sampled_from(NAMES), st.data())
def test_cut_anywhere_is_never_a_false_success(name: str, data: st.DataObject) -> None:
    """A recorded stream that stops anywhere before its last newline is no success."""
    COPILOT.fail_when_cut(name, data)


@given(st.sampled_from(SUCCESSES), st.data())
def test_unknown_lines_anywhere_change_no_verdict(name: str, data: st.DataObject) -> None:
    """Two lines of unknown types anywhere leave the answer as it was."""
    COPILOT.keep_their_answer(name, data)


@given(st.sampled_from(NAMES), st.data())
def test_damaged_stream_never_raises(name: str, data: st.DataObject) -> None:
    """Bytes overwritten anywhere raise nothing."""
    COPILOT.survive_damage(name, data)


def test_parsers_share_nothing() -> None:
    """Each turn has a parser of its own."""
    first, second = (COPILOT.adapter.parser(COPILOT.asked()) for _ in range(2))
    first.parse(lines(START)[:-1])
    assert second.finish(Ending(exit_code=0)).session_id is None
