import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import (
    JSON,
    NOW,
    Recordings,
    Replayed,
    invocation,
    lines,
    replay,
)
from orchcore.agents.adapters.opencode import OpenCodeAdapter
from orchcore.agents.adapters.protocol import Ending
from orchcore.events import (
    AgentSaid,
    FinalGiven,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
    event_json,
)
from orchcore.results import Failure, FailureKind, Usage


def adapter() -> OpenCodeAdapter:
    return OpenCodeAdapter(clock=lambda: NOW)


RUNS = Recordings("opencode-1.18.33", adapter())
ANSWER = "Hello from the fake model. The answer is 42."
DONE = "Done. The tool said what I expected. [final answer]"

SUCCESSES = (
    *("text", "thinking", "thinking_shown", "unicode", "resume", "no_price"),
    *("tool_read", "tool_shell", "tool_edit", "tool_fail", "tool_agent"),
    *("denied_read", "denied_write", "bad_arguments"),
)
FAILURES: dict[str, FailureKind] = {
    "auth_401": "auth",
    "bad_flag": "bad_invocation",
    "content_filter": "refused",
    "context_overflow": "context_length",
    "cut": "connection",
    "denied_shell": "permission_denied",
    "empty": "empty_output",
    "length": "output_limit",
    "overloaded": "overloaded",
    "quota": "quota",
    "rate_limit": "rate_limited",
    "resume_unknown": "session_not_found",
    "sig_group_INT": "crashed",
    "sig_group_TERM": "crashed",
    "sig_slow_text_INT": "crashed",
    "stream_error": "overloaded",
    "unknown_model": "model_not_found",
    "usage_limit": "crashed",
}


def line(kind: str, message: str = "m1", **part: Any) -> dict[str, Any]:
    return {"type": kind, "sessionID": "ses_1", "part": {"messageID": message, **part}}


def start(message: str = "m1") -> dict[str, Any]:
    return line("step_start", message)


def said(text: str, message: str = "m1", part_id: str = "", **more: Any) -> dict[str, Any]:
    return line("text", message, id=part_id, text=text, **more)


def stop(message: str = "m1", reason: str = "stop", cost: float = 0.5) -> dict[str, Any]:
    cache = {"read": 30, "write": 20}
    tokens = {"total": 137, "input": 70, "output": 12, "reasoning": 5, "cache": cache}
    return line("step_finish", message, reason=reason, tokens=tokens, cost=cost)


def called(
    name: str = "bash", message: str = "m1", part_id: str = "", **state: Any
) -> dict[str, Any]:
    state = {"status": "completed", **state}
    return line("tool_use", message, id=part_id, tool=name, callID="c1", state=state)


def failed(name: str = "APIError", **data: Any) -> dict[str, Any]:
    return {"type": "error", "sessionID": "ses_1", "error": {"name": name, "data": data}}


def turn(*printed: dict[str, Any], **end: Any) -> Replayed:
    return replay(lines(*printed), adapter=adapter(), **end)


def failure_of(*printed: dict[str, Any], **end: Any) -> Failure:
    failure = turn(*printed, **end).result.failure
    assert failure is not None
    return failure


@pytest.mark.parametrize("name", SUCCESSES)
def test_recorded_success_succeeds(name: str) -> None:
    """A recorded run that answered is a success with its text, session and tokens."""
    result = RUNS.recorded(name).result
    assert result.failure is None
    assert result.text
    assert result.session_id
    assert result.usage.input_tokens
    assert (result.cost_usd is None) == (name == "no_price")
    assert (result.unknown_events, result.malformed_lines, result.truncated) == (0, 0, False)


@pytest.mark.parametrize(("name", "kind"), FAILURES.items())
def test_recorded_failure_has_its_kind(name: str, kind: FailureKind) -> None:
    """A recorded run that failed is classified, whatever its exit code; it has no answer."""
    result = RUNS.recorded(name).result
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.failure.detail
    assert "\x1b" not in result.failure.detail
    assert result.text == ""


def test_every_recording_is_judged() -> None:
    """No recorded stream is left without a claim about its verdict."""
    assert set(RUNS.names) == {*SUCCESSES, *FAILURES}


def test_text_turn_tells_session_text_and_end() -> None:
    """A plain turn gives the session, the text, the tokens and the end."""
    run = RUNS.recorded("text", model="fake/fake-model")
    assert run.of(SessionStarted) == [
        SessionStarted("ses_df6b25d9dffeZMgucznKwhlmna", "fake/fake-model")
    ]
    assert run.of(TextWritten) == [TextWritten(ANSWER)]
    assert run.events[-1] == FinalGiven(ok=True)
    assert run.result.text == ANSWER
    assert run.result.usage == Usage(100, 17, 30)
    assert run.result.models == {"fake/fake-model": Usage(100, 17, 30)}
    assert run.result.cost_usd == pytest.approx(0.00024)


def test_tokens_and_cost_are_sums_over_steps() -> None:
    """Input has what came from and went to the cache, output the reasoning."""
    run = turn(
        start(), called(), stop(reason="tool-calls"), start("m2"), said("a", "m2"), stop("m2")
    )
    assert run.result.usage == Usage(240, 34, 60)
    assert run.result.cost_usd == 1.0
    assert [told.cost_usd for told in run.of(UsageReported)] == [0.5, 1.0]


def test_a_cost_of_nothing_is_no_price() -> None:
    """A model without a price costs 0 a step: then the turn's cost is unknown."""
    first = (start(), called(), stop(reason="tool-calls"))
    assert turn(*first, start("m2"), said("a", "m2"), stop("m2", cost=0)).result.cost_usd is None
    assert RUNS.recorded("no_price").result.usage == Usage(100, 17, 30)
    assert RUNS.recorded("auth_401").result.cost_usd is None


def test_tool_calls_are_told_with_what_they_did() -> None:
    """A call's only line starts and ends it; a command that exits with 3 did not do well."""
    run = RUNS.recorded("tool_edit")
    assert run.result.tools == (("read", True), ("edit", True))
    started, ended = run.of(ToolStarted)[0], run.of(ToolEnded)[0]
    assert started.summary == "/work-dir/opencode/tool_edit/hello.txt"
    assert (ended.call_id, ended.ok) == (started.call_id, True)
    failed_call = RUNS.recorded("tool_fail").of(ToolEnded)[0]
    assert (failed_call.ok, failed_call.denied) == (False, False)
    killed = turn(called(metadata={"exit": None})).of(ToolEnded)[0]
    assert not killed.ok


@pytest.mark.parametrize(("name", "tool"), [("denied_write", "write"), ("denied_read", "read")])
def test_denied_tool_is_marked(name: str, tool: str) -> None:
    """A tool that was taken away (OpenCode calls it ``invalid``) or ruled out ends as denied."""
    ended = RUNS.recorded(name).of(ToolEnded)
    assert [(end.name, end.ok, end.denied) for end in ended] == [(tool, False, True)]


def test_wrong_arguments_are_no_denial() -> None:
    """A tool that was called wrongly has failed."""
    assert not RUNS.recorded("bad_arguments").of(ToolEnded)[0].denied
    asked = {"tool": "read", "error": "Invalid input for tool read"}
    ended = turn(called("invalid", input=asked)).of(ToolEnded)[0]
    assert (ended.name, ended.ok, ended.denied) == ("read", False, False)


def test_sub_agents_tokens_are_missing_and_that_is_said() -> None:
    """What a sub-agent used is not in the stream."""
    result = RUNS.recorded("tool_agent").result
    assert result.text == DONE
    assert result.warnings == ("what its sub-agents used is not told: tokens and cost are too low",)
    assert RUNS.recorded("tool_shell").result.warnings == ()


def test_the_answer_is_what_came_after_the_last_tool_call() -> None:
    """Lines of a step are out of order, the ids of its parts are not; earlier steps do not count."""
    before = (start(), said("Let me see.", part_id="prt_1"), called(part_id="prt_2"))
    run = turn(*before, stop(reason="tool-calls"), start("m2"), said("Done.", "m2"), stop("m2"))
    assert run.result.text == "Done."
    searched = called("web_search", part_id="prt_2")
    searched["part"]["metadata"] = {"providerExecuted": True}
    shuffled = (start(), searched, said("Let me see.", part_id="prt_1"), said("x", part_id="prt_4"))
    run = turn(*shuffled, said("Found:", part_id="prt_3"), stop())
    assert (run.result.failure, run.result.text) == (None, "Found:\nx")


def test_a_part_that_is_told_again_counts_once() -> None:
    """What was told of it before is replaced."""
    twice = (said("Ye", part_id="prt_1"), said("Yes.", part_id="prt_1"))
    assert turn(start(), *twice, stop()).result.text == "Yes."


def test_a_step_with_tool_calls_is_not_the_last() -> None:
    """Some providers say ``stop`` where a tool was called: its result is still to be sent."""
    calling = (start(), called(), said("Hm."), stop())
    assert turn(*calling).of(FinalGiven) == []
    assert failure_of(*calling).kind == "truncated"
    run = turn(*calling, start("m2"), said("Done.", "m2"), stop("m2"))
    assert (run.result.failure, run.result.text) == (None, "Done.")


def test_retries_are_told_and_their_text_is_dropped() -> None:
    """The same step begun again is a retry: what the failed try had said does not count."""
    assert [retry.attempt for retry in RUNS.recorded("stream_error").of(RetryNoticed)] == [
        1,
        2,
        3,
        4,
        5,
    ]
    run = turn(start(), said("Half a"), start(), said("Whole."), stop(), start("m2"))
    assert [retry.attempt for retry in run.of(RetryNoticed)] == [1]
    run = turn(start(), said("Half a"), start(), said("Whole."), stop())
    assert (run.result.failure, run.result.text) == (None, "Whole.")


SYNTHETIC = said("Continue if you have next steps.", "u2", synthetic=True)


def test_a_compaction_goes_on() -> None:
    """Its summary stops like an answer; its own prompt takes that back until the next step ends."""
    began = (start(), called(), stop(reason="tool-calls"))
    summary = (*began, start("m2"), said("Summary.", "m2"), stop("m2"), SYNTHETIC)
    assert failure_of(*summary).kind == "truncated"
    run = turn(*summary, start("m3"), said("Answer.", "m3"), stop("m3"))
    assert (run.result.failure, run.result.text) == (None, "Answer.")
    assert TextWritten("Continue if you have next steps.") not in run.events
    told = [type(event) for event in run.events if isinstance(event, SessionStarted | FinalGiven)]
    assert told == [SessionStarted, FinalGiven, SessionStarted, FinalGiven]


def test_going_on_after_the_end_takes_it_back() -> None:
    """A step after one that stopped is a new round: the turn is over when that one is."""
    run = turn(start(), said("One."), stop(), start("m2"), said("Two.", "m2"))
    assert [type(event) for event in run.events[-3:]] == [FinalGiven, SessionStarted, TextWritten]
    assert failure_of(start(), said("One."), stop(), start("m2")).kind == "truncated"


def test_a_stream_without_step_starts_is_read() -> None:
    """A step begins with its first line, whatever that is."""
    run = turn(
        said("Let me see."), called(), stop(reason="tool-calls"), said("Yes.", "m2"), stop("m2")
    )
    assert (run.result.failure, run.result.text) == (None, "Yes.")


def test_a_rejected_permission_names_the_tool() -> None:
    """OpenCode stops with exit code 0; killed then, it has crashed."""
    run = RUNS.recorded("denied_shell")
    assert run.result.failure is not None
    assert run.result.failure.detail.startswith("bash was denied")
    assert not run.result.truncated
    rejected = called(status="error", error="The user rejected permission to use this.")
    killed = (start(), rejected, stop(reason="tool-calls"))
    assert failure_of(*killed, exit_code=-15).kind == "crashed"
    assert failure_of(start(), called(), stop(reason="tool-calls")).kind == "truncated"


def test_a_done_line_is_the_end() -> None:
    """Later releases end with it, and name what they rejected."""
    done: dict[str, Any] = {"type": "done", "sessionID": "ses_1", "reason": "idle", "rejected": []}
    run = turn(start(), said("Yes."), stop(), done)
    assert (run.result.failure, run.result.unknown_events) == (None, 0)
    assert run.of(FinalGiven) == [FinalGiven(ok=True)] * 2
    asked = (start(), called(status="error"), stop(reason="tool-calls"))
    assert failure_of(*asked, {**done, "rejected": ["bash"]}).kind == "permission_denied"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"message": "no", "statusCode": 402}, "billing"),
        ({"message": "no", "statusCode": 403}, "auth"),
        ({"message": "no", "statusCode": 529, "isRetryable": True}, "overloaded"),
        ({"message": "Bad Gateway", "statusCode": 502}, "server_error"),
        ({"message": "odd", "isRetryable": True}, "server_error"),
        ({"message": "odd"}, "crashed"),
        ({"message": "Insufficient balance.", "statusCode": 401}, "billing"),
        ({"message": "fetch failed"}, "connection"),
    ],
)
def test_status_and_message_tell_the_kind(data: dict[str, Any], kind: FailureKind) -> None:
    """Fields first, words where only they tell kinds apart."""
    assert failure_of(failed(**data), exit_code=1).kind == kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "no", "code": "insufficient_quota"}}, "quota"),
        ({"type": "error", "error": {"type": "FreeUsageLimitError", "message": "no"}}, "quota"),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no"}}, "rate_limited"),
        ({"error": {"code": "context_length_exceeded", "message": "no"}}, "context_length"),
        ({"code": "model_not_found", "message": "no"}, "model_not_found"),
    ],
)
def test_the_providers_answer_is_more_exact(body: dict[str, Any], kind: FailureKind) -> None:
    """Its code and type tell more than the message, which may itself be that answer."""
    answered = failed(message="Too Many Requests", responseBody=json.dumps(body))
    assert failure_of(answered, exit_code=1).kind == kind
    unknown = failed("UnknownError", message=json.dumps(body))
    assert failure_of(unknown, exit_code=1).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ProviderAuthError", "auth"),
        ("MessageOutputLengthError", "output_limit"),
        ("MessageAbortedError", "cancelled"),
        ("ContentFilterError", "refused"),
    ],
)
def test_names_of_errors_tell_the_kind(name: str, kind: FailureKind) -> None:
    """An error whose name says it all needs no message."""
    assert failure_of(failed(name), exit_code=1).kind == kind


@pytest.mark.parametrize(
    ("data", "wait_s", "resets_at"),
    [
        ({"responseHeaders": {"retry-after": "30"}}, 30.0, None),
        ({"responseHeaders": {"Retry-After": "Mon, 23 Nov 2026 16:07:40 GMT"}}, 60.0, None),
        ({"responseHeaders": {"retry-after-ms": "1500"}}, 1.5, None),
        ({"responseHeaders": {"retry-after": "soon"}}, None, None),
        ({"responseBody": '{"error":{"resets_at":1795456603}}'}, None, 1795456603.0),
        ({"responseBody": '{"error":{"resets_in_seconds":9,"message":"x"}}'}, 9.0, None),
        ({"responseBody": '{"error":{"details":[{"retryDelay":"34s"}]}}'}, 34.0, None),
    ],
)
def test_a_limit_tells_when_to_come_back(
    data: dict[str, Any], wait_s: float | None, resets_at: float | None
) -> None:
    """Headers, the provider's answer, or words."""
    failure = failure_of(failed(message="no", statusCode=429, **data), exit_code=1)
    assert (failure.retry_after_s, failure.resets_at) == (wait_s, resets_at)


def test_the_longest_wait_counts() -> None:
    """A header of whole seconds may be shorter than what the message says."""
    failure = RUNS.recorded("rate_limit").result.failure
    assert failure is not None
    assert failure.retry_after_s == 1.5


def test_an_error_that_is_printed_twice_is_the_one_that_says_something() -> None:
    """The second may say no more than that there was one."""
    vague = failed(
        "UnknownError", message="Unexpected server error. Check server logs for details."
    )
    failure = failure_of(failed(message="no", statusCode=429), vague, exit_code=1)
    assert failure.kind == "rate_limited"
    assert failure_of(vague, exit_code=1).kind == "crashed"
    log = 'level=ERROR error="ProviderModelNotFoundError: Model not found: a/b." cause="x"\n'
    assert failure_of(vague, exit_code=1, stderr_tail=log).kind == "model_not_found"


def test_an_error_line_is_never_a_success() -> None:
    """Neither an exit code of 0 nor an answer makes up for it."""
    failure = failure_of(start(), said("Yes."), failed(message="no", statusCode=500), stop())
    assert failure.kind == "server_error"


def test_the_process_may_be_ended_after_an_error() -> None:
    """An error is the end, but for a context that is too long: OpenCode makes it shorter."""
    assert turn(failed(message="no")).of(FinalGiven) == [FinalGiven(ok=False)]
    assert turn(failed("ContextOverflowError", message="no")).of(FinalGiven) == []


@pytest.mark.parametrize("code", [1, 137, -9, None])
def test_an_exit_code_can_belie_the_last_step(code: int | None) -> None:
    """Without exit code 0 there was no end."""
    assert failure_of(start(), said("Yes."), stop(), exit_code=code).kind == "crashed"


def test_a_cut_last_line_is_no_success() -> None:
    """The stream must end with a newline."""
    run = replay(lines(start(), said("Yes."), stop()) + b'{"type":"te', adapter=adapter())
    assert run.result.failure is not None
    assert (run.result.failure.kind, run.result.truncated) == ("truncated", True)


def test_ended_by_orchcore_is_cancelled() -> None:
    """Before the end it is no failure of the agent's, whatever it printed."""
    assert failure_of(start(), said("Half"), ended_by_us=True, exit_code=-15).kind == "cancelled"


def test_a_refused_answer_is_no_answer() -> None:
    """The reasons of a last step that is not well."""
    assert failure_of(start(), said("Half"), stop(reason="length")).kind == "output_limit"
    assert failure_of(start(), said("Half"), stop(reason="content-filter")).kind == "refused"
    assert failure_of(start(), said("Half"), stop(reason="error")).kind == "server_error"
    assert failure_of(start(), said("Half"), stop(reason="unknown")).kind == "truncated"


def test_no_message_is_a_bad_invocation() -> None:
    """OpenCode wants one."""
    stderr = "\x1b[91m\x1b[1mError: \x1b[0mYou must provide a message or a command\n"
    assert failure_of(exit_code=1, stderr_tail=stderr).kind == "bad_invocation"


def test_unknown_types_are_counted() -> None:
    """One unknown line harms nothing; many mean another protocol."""
    answer = (start(), said("Yes."), stop())
    new = {"type": "from_the_future"}
    result = turn(new, *answer).result
    assert (result.failure, result.unknown_events) == (None, 1)
    assert failure_of(*[new] * 4, *answer).kind == "protocol"


def test_thinking_is_told() -> None:
    """Only with ``--thinking`` among the arguments."""
    assert RUNS.recorded("thinking_shown").of(ThinkingWritten) == [ThinkingWritten("I think.")]


def test_half_a_surrogate_pair_can_be_recorded() -> None:
    """Text that is not valid Unicode is mended, so that it can be written as UTF-8."""
    run = turn(start(), said("\ud83d"), stop(), failed(message="{\ud83d", responseBody="\ud83d"))
    for event in run.events:
        assert event_json(AgentSaid(at=0, node="n", turn="t", event=event))


KINDS = ["step_start", "text", "reasoning", "tool_use", "step_finish", "error", "done", "new"]
STATES = st.fixed_dictionaries({"tool": st.just("invalid"), "state": JSON})


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """A line of a known or unknown type with fields of any type."""
    keys = st.sampled_from(["part", "error", "sessionID", "rejected"])
    fields = draw(st.dictionaries(keys, JSON | STATES, max_size=3))
    return json.dumps({**fields, "type": draw(st.sampled_from(KINDS))}).encode()


@given(st.lists(st.binary(max_size=40) | odd_lines()))
def test_anything_may_be_printed(printed: list[bytes]) -> None:
    """No bytes raise, and without a step that stopped nothing is a success."""
    assert replay(b"\n".join(printed), adapter=adapter()).result.failure is not None


@given(st.sampled_from(RUNS.names), st.data())
def test_cut_anywhere_is_never_a_false_success(name: str, data: st.DataObject) -> None:
    """A recorded stream that stops anywhere before its last newline is no success."""
    RUNS.fail_when_cut(name, data)


@given(st.sampled_from(SUCCESSES), st.data())
def test_unknown_lines_anywhere_change_no_verdict(name: str, data: st.DataObject) -> None:
    """Two lines of unknown types anywhere leave the answer as it was."""
    RUNS.keep_their_answer(name, data)


@given(st.sampled_from(RUNS.names), st.data())
def test_damaged_stream_never_raises(name: str, data: st.DataObject) -> None:
    """Bytes overwritten anywhere raise nothing."""
    RUNS.survive_damage(name, data)


def test_parsers_share_nothing() -> None:
    """Each turn has a parser of its own."""
    first, second = adapter().parser(invocation()), adapter().parser(invocation())
    assert NoticeGiven() in first.parse(lines(start())[:-1])
    assert second.finish(Ending(exit_code=0)).session_id is None
