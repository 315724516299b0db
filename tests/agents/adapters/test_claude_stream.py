import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import (
    CLAUDE,
    JSON,
    invocation,
    lines,
    recorded,
    replay,
    stream_of,
)
from orchcore.agents.adapters.protocol import Ending
from orchcore.events import (
    AgentSaid,
    FinalGiven,
    LimitNoticed,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    event_json,
)
from orchcore.results import FailureKind, Usage

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
ANSWER = "Hello from the fake model. The answer is 42."
INIT = {"type": "system", "subtype": "init", "session_id": "s", "model": "m"}
SAID = {
    "type": "assistant",
    "message": {"id": "1", "content": [{"type": "text", "text": "yes"}]},
    "parent_tool_use_id": None,
}
GOOD = {"type": "result", "subtype": "success", "is_error": False, "result": "yes"}
NAMES = CLAUDE.names

SUCCESSES = (
    *("text", "text_partial", "thinking", "tool_shell", "tool_fail", "tool_agent", "resume"),
    *("denied_write", "denied_shell", "limit_warning_oauth", "unicode"),
)
FAILURES: dict[str, FailureKind] = {
    "auth_401": "auth",
    "bad_flag": "bad_invocation",
    "cut": "connection",
    "empty": "empty_output",
    "max_budget": "budget",
    "max_turns": "turn_limit",
    "no_key": "auth",
    "overloaded": "overloaded",
    "rate_limit": "rate_limited",
    "resume_unknown": "session_not_found",
    "sig_group_INT": "cancelled",
    "sig_group_TERM": "crashed",
    "sig_slow_text_INT": "cancelled",
    "stream_error": "overloaded",
    "usage_limit": "quota",
    "usage_limit_oauth": "quota",
}


@pytest.mark.parametrize("name", SUCCESSES)
def test_recorded_success_succeeds(name: str) -> None:
    """A recorded run that answered is a success with its text, session, tokens and price."""
    result = recorded(name).result
    assert result.failure is None
    assert result.text
    assert result.session_id
    assert result.usage.input_tokens
    assert result.cost_usd is not None
    assert (result.unknown_events, result.malformed_lines, result.truncated) == (0, 0, False)


@pytest.mark.parametrize(("name", "kind"), FAILURES.items())
def test_recorded_failure_has_its_kind(name: str, kind: FailureKind) -> None:
    """A recorded run that failed is classified from its fields, whatever its exit code."""
    result = recorded(name).result
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.failure.detail
    assert result.text == ""


def test_every_recording_is_judged() -> None:
    """No recorded stream is left without a claim about its verdict."""
    assert set(NAMES) == {*SUCCESSES, *FAILURES, "structured", "structured_bad"}


def test_text_turn_tells_session_text_and_end() -> None:
    """A plain turn gives the session, the text and the final event, in that order."""
    turn = recorded("text")
    session = turn.of(SessionStarted)[0]
    assert (session.model, session.version) == ("claude-opus-5-5", "2.1.330")
    assert turn.of(TextWritten) == [TextWritten(ANSWER)]
    assert turn.events[-1] == FinalGiven(ok=True)
    assert turn.result.text == ANSWER
    assert turn.result.usage == Usage(150, 17, 30)
    assert turn.result.events == {"session": 1, "text": 1, "usage": 1, "final": 1}


def test_partial_pieces_are_marked_and_the_whole_follows() -> None:
    """Pieces of a message are partial; the whole message comes once, unmarked."""
    written = recorded("text_partial").of(TextWritten)
    assert "".join(piece.text for piece in written if piece.partial) == ANSWER
    assert [whole.text for whole in written if not whole.partial] == [ANSWER]


def test_thinking_ticks_are_signs_of_life() -> None:
    """Ticks while it thinks are empty thoughts; the thought itself comes whole."""
    thoughts = [thought.text for thought in recorded("thinking").of(ThinkingWritten)]
    assert thoughts == ["", "", "", "", "First I consider the question. Then I answer."]


def test_tool_call_is_told_with_its_command() -> None:
    """A tool call starts with a summary of its input and ends with what the CLI says of it."""
    turn = recorded("tool_shell")
    started, ended = turn.of(ToolStarted)[0], turn.of(ToolEnded)[0]
    assert (started.name, started.summary) == ("Bash", "echo hi")
    assert (ended.call_id, ended.name, ended.ok) == (started.call_id, "Bash", True)
    assert turn.result.tools == (("Bash", True),)
    assert recorded("tool_fail").result.tools == (("Bash", False),)


@pytest.mark.parametrize("name", ["denied_write", "denied_shell"])
def test_denied_tool_is_marked(name: str) -> None:
    """A tool that was refused, or that ``--tools`` took away, ends as denied."""
    ended = recorded(name).of(ToolEnded)
    assert [(end.ok, end.denied) for end in ended] == [(False, True)]


def test_failed_tool_is_not_denied() -> None:
    """A command that exits with 3 was allowed to run."""
    assert not recorded("tool_fail").of(ToolEnded)[0].denied


def test_sub_agent_does_not_answer() -> None:
    """A sub-agent's words are not the answer, and the last result line is the verdict."""
    turn = recorded("tool_agent")
    assert "sub-agent answer" not in [text.text for text in turn.of(TextWritten)]
    assert len(turn.of(SessionStarted)) == 2
    assert turn.result.text == "Done. The tool said what I expected. [final answer]"


def test_sub_agents_tokens_count() -> None:
    """Tokens and price are those of the whole process, background agents included."""
    result = recorded("tool_agent").result
    assert result.usage == Usage(600, 68, 120)
    assert result.cost_usd == pytest.approx(0.003384)


def test_last_of_several_results_is_the_verdict() -> None:
    """A good result followed by a bad one is a failure; the other way round a success."""
    bad = {**GOOD, "is_error": True, "result": "", "api_error_status": 500}
    assert replay(lines(INIT, SAID, GOOD, INIT, SAID, bad)).result.failure is not None
    assert replay(lines(INIT, SAID, bad, INIT, SAID, GOOD)).result.failure is None


def test_result_is_not_final_while_a_background_agent_works() -> None:
    """No final event is given as long as a background agent will report back."""
    tasks = [{"task_type": "local_agent"}]
    busy = {"type": "system", "subtype": "background_tasks_changed", "tasks": tasks}
    idle = {**busy, "tasks": [{"task_type": "local_bash"}]}
    assert not replay(lines(INIT, busy, SAID, GOOD)).of(FinalGiven)
    assert replay(lines(INIT, busy, SAID, GOOD, idle, INIT, SAID, GOOD)).of(FinalGiven)


def test_going_on_after_the_result_is_no_success() -> None:
    """A turn that starts anew after its result and never ends was cut off."""
    failure = replay(lines(INIT, SAID, GOOD, INIT, SAID)).result.failure
    assert failure is not None
    assert failure.kind == "truncated"


def test_each_start_needs_its_result() -> None:
    """Two starts and one result are a cut stream, wherever the starts stand."""
    whole = stream_of("tool_agent")
    first_only = whole[: whole.rstrip(b"\n").rfind(b"\n") + 1]
    turn = replay(first_only)
    assert turn.result.failure is not None
    assert turn.result.failure.kind == "truncated"
    assert not turn.of(FinalGiven)


def test_resumed_turn_costs_only_itself() -> None:
    """Session sums (three turns here) are not booked on the turn that resumed the session."""
    result = recorded("resume", resume="883b5579-cf32-41eb-b842-1513b8e99121").result
    assert result.usage == Usage(150, 17, 30)
    assert result.cost_usd == pytest.approx(0.000846)


def test_cost_is_unknown_where_only_the_session_total_is_told() -> None:
    """An older CLI's total is this turn's price in a new session and unknown in a resumed one."""
    usage = {"input_tokens": 5, "output_tokens": 7}
    old = lines(INIT, SAID, {**GOOD, "total_cost_usd": 0.5, "usage": usage})
    assert replay(old).result.cost_usd == 0.5
    assert replay(old, asked=invocation(resume="s")).result.cost_usd is None
    assert replay(old).result.usage == Usage(5, 7, None)


def test_killed_turn_knows_its_input_only() -> None:
    """Without a result the input of each reply is known; the output and the price are not."""
    result = recorded("sig_group_TERM").result
    assert result.usage == Usage(150, None, 30)
    assert result.cost_usd is None


def test_structured_answer_is_given() -> None:
    """The structured answer is the answer; the tool that carries it is not shown."""
    turn = recorded("structured", schema=SCHEMA)
    assert turn.result.failure is None
    assert turn.result.answer == {"answer": "fake", "score": 1}
    assert json.loads(turn.result.text) == turn.result.answer
    assert turn.result.tools == ()


def test_missing_structured_answer_is_invalid_output() -> None:
    """A model that refuses to give JSON failed, although the CLI says success and exits 0."""
    result = recorded("structured_bad", schema=SCHEMA).result
    assert result.failure is not None
    assert result.failure.kind == "invalid_output"
    assert "I will not give you JSON." in result.failure.detail


def test_answer_that_is_no_object_is_unboxed() -> None:
    """A schema whose root is no object is asked for in a box and answered without it."""
    result = {**GOOD, "structured_output": {"answer": [1, 2]}}
    turn = replay(lines(INIT, SAID, result), asked=invocation(schema={"type": "array"}))
    assert (turn.result.answer, turn.result.text) == ([1, 2], "[1, 2]")


def test_retries_are_told() -> None:
    """Each retry of the CLI is told with its reason and its wait."""
    retries = recorded("rate_limit").of(RetryNoticed)
    assert len(retries) == 10
    assert retries[0] == RetryNoticed("429 rate_limit", 1, 1.148, "rate_limited")


def test_rate_limit_tells_when_to_come_back() -> None:
    """A wait and a reset time are read where the vendor gave them."""
    limited, used_up = recorded("rate_limit").result, recorded("usage_limit_oauth")
    assert limited.failure is not None
    assert limited.failure.retry_after_s == 1.5
    assert used_up.of(LimitNoticed) == [LimitNoticed("rejected", 1795456603.0)]
    assert used_up.result.failure is not None
    assert used_up.result.failure.resets_at == 1795456603.0


@pytest.mark.parametrize(
    ("window", "of_model"), [("five_hour", False), ("seven_day_opus", True), ("overage", False)]
)
def test_whose_window_is_used_up(window: str, of_model: bool) -> None:
    """Of a subscription's windows two are one model's; the rest is the account's."""
    stream = stream_of("usage_limit_oauth").replace(b'"five_hour"', f'"{window}"'.encode())
    failure = replay(stream, exit_code=1).result.failure
    assert failure is not None
    assert (failure.kind, failure.of_model) == ("quota", of_model)


def test_reset_time_is_read_from_text_without_an_event() -> None:
    """Without a limit event the clock time in the message is resolved to the next such moment."""
    stream = b"\n".join(
        line.replace(b"resetsAt", b"unknownAt")
        for line in stream_of("usage_limit_oauth").split(b"\n")
    )
    failure = replay(stream, exit_code=1).result.failure
    assert failure is not None
    assert failure.resets_at == 1795456560.0


def test_limit_warning_is_no_failure() -> None:
    """A warned limit is told and the turn counts."""
    turn = recorded("limit_warning_oauth")
    assert turn.of(LimitNoticed) == [LimitNoticed("allowed_warning", 1795456604.0)]


@pytest.mark.parametrize(
    ("change", "end", "kind"),
    [
        ({}, {"exit_code": 1}, "crashed"),
        ({}, {"exit_code": -9}, "crashed"),
        ({}, {"cut_line": b'{"type":"as'}, "truncated"),
        ({}, {"ended_by_us": True}, "cancelled"),
        ({"is_error": True}, {}, "crashed"),
        ({"is_error": True, "stop_reason": "refusal"}, {}, "refused"),
        ({"is_error": None}, {}, "crashed"),
        ({"subtype": "error_max_turns"}, {}, "turn_limit"),
        ({"terminal_reason": "aborted_tools"}, {}, "cancelled"),
        ({"stop_reason": "refusal"}, {}, "refused"),
        ({"result": " "}, {}, "empty_output"),
        ({"result": None}, {}, "empty_output"),
        ({"is_error": True, "terminal_reason": "prompt_too_long"}, {}, "context_length"),
        ({"is_error": True, "api_error_status": 404}, {}, "model_not_found"),
        ({"is_error": True, "api_error_status": 502}, {}, "server_error"),
        ({"is_error": True, "result": "Your credit balance is too low"}, {}, "billing"),
    ],
)
def test_contradicted_success_is_a_failure(
    change: dict[str, Any], end: dict[str, Any], kind: FailureKind
) -> None:
    """A final event that says success is believed only if nothing speaks against it."""
    failure = replay(lines(INIT, SAID, {**GOOD, **change}), **end).result.failure
    assert failure is not None
    assert failure.kind == kind


def test_unknown_exit_code_does_not_contradict() -> None:
    """A process that had to be ended after its final event still counts."""
    assert replay(lines(INIT, SAID, GOOD), exit_code=None).result.failure is None


def test_stream_without_a_result_is_truncated() -> None:
    """Exit 0 without a final event is no success."""
    result = replay(lines(INIT, SAID)).result
    assert result.failure is not None
    assert (result.failure.kind, result.truncated) == ("truncated", True)


def test_silence_is_empty_output() -> None:
    """Exit 0 without a line is no success."""
    failure = replay(b"").result.failure
    assert failure is not None
    assert failure.kind == "empty_output"


def test_unknown_types_are_counted() -> None:
    """One unknown line is counted and harms nothing; many mean another protocol."""
    new = {"type": "from_the_future"}
    few = replay(lines(INIT, new, SAID, GOOD)).result
    assert (few.unknown_events, few.failure) == (1, None)
    many = replay(lines(INIT, *[new] * 4, SAID, GOOD)).result
    assert many.failure is not None
    assert many.failure.kind == "protocol"
    only = replay(lines(new)).result
    assert only.failure is not None
    assert only.failure.kind == "protocol"


def test_unknown_system_subtype_is_a_sign_of_life() -> None:
    """A new kind of system line is a notice, not an unknown event."""
    turn = replay(lines(INIT, {"type": "system", "subtype": "new"}, SAID, GOOD))
    assert NoticeGiven() in turn.events
    assert turn.result.unknown_events == 0


def test_lines_that_are_no_objects_are_counted() -> None:
    """What is not one JSON object per line is counted and skipped; empty lines are not."""
    noise = b'debug: hi\n[1]\n"x"\n\n  \n\xff\xfe\n' + b"[" * 100_000 + b"\n"
    result = replay(noise + lines(INIT, SAID, GOOD)).result
    assert (result.malformed_lines, result.failure) == (5, None)


def test_half_a_surrogate_pair_can_be_recorded() -> None:
    """Text that is not valid Unicode is mended, so that it can be written as UTF-8."""
    said = {**SAID, "message": {"content": [{"type": "text", "text": "\ud83d"}]}}
    turn = replay(lines(INIT, said, {**GOOD, "result": "a\udc00b"}))
    assert turn.result.text == "a�b"
    for event in turn.events:
        assert event_json(AgentSaid(at=0, node="n", turn="t", event=event))


KINDS = ["system", "assistant", "user", "stream_event", "rate_limit_event", "new"]
KEYS = ["subtype", "message", "event", "rate_limit_info", "error", "tasks", "tool_result_meta"]
BLOCKS = st.just({"content": [{"type": "tool_use"}, {"type": "tool_result"}, {}, 3]})
SUBTYPES = st.sampled_from(["init", "api_retry", "background_tasks_changed"])


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """A line of a known or unknown type with fields of any type."""
    fields = draw(st.dictionaries(st.sampled_from(KEYS), JSON | BLOCKS | SUBTYPES, max_size=3))
    return json.dumps({**fields, "type": draw(st.sampled_from(KINDS))}).encode()


@given(st.lists(st.binary(max_size=40) | odd_lines()))
def test_anything_may_be_printed(printed: list[bytes]) -> None:
    """No bytes raise, and without a result line nothing is a success."""
    assert replay(b"\n".join(printed)).result.failure is not None


def test_cut_after_the_first_of_two_results_has_no_text() -> None:
    """What the agent went on from is not its answer."""
    stream = CLAUDE.stream("tool_agent")
    first = stream.index(b'"type":"result"')
    result = CLAUDE.replay(stream[: stream.index(b"\n", first) + 1]).result
    assert result.failure is not None
    assert "went on after its result" in str(result.failure)
    assert result.text == ""


@given(st.sampled_from(NAMES), st.data())
def test_cut_anywhere_is_never_a_false_success(name: str, data: st.DataObject) -> None:
    """A recorded stream that stops anywhere before its last newline is no success."""
    CLAUDE.fail_when_cut(name, data)


@given(st.sampled_from(SUCCESSES), st.data())
def test_unknown_lines_anywhere_change_no_verdict(name: str, data: st.DataObject) -> None:
    """Two lines of unknown types anywhere leave the answer as it was."""
    CLAUDE.keep_their_answer(name, data)


@given(st.sampled_from(NAMES), st.data())
def test_damaged_stream_never_raises(name: str, data: st.DataObject) -> None:
    """Bytes overwritten anywhere raise nothing."""
    CLAUDE.survive_damage(name, data)


def test_parsers_share_nothing() -> None:
    """Each turn has a parser of its own."""
    from agents.adapters.replay import claude

    first, second = claude().parser(invocation()), claude().parser(invocation())
    first.parse(lines(INIT)[:-1])
    assert second.finish(Ending(exit_code=0)).session_id is None
