"""The bridge's stream as real agents make it, and as none should.

Recorded with Gemini CLI 0.61, Copilot CLI 1.0.102 and OpenCode 1.18 and fake model servers.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import (
    NOW,
    Recordings,
    Replayed,
    invocation,
    lines,
)
from orchcore.agents.adapters.acp import AcpAdapter
from orchcore.events import (
    FinalGiven,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.results import Failure, FailureKind, Usage

ACP = Recordings("acp", AcpAdapter(clock=lambda: NOW))
NAMES = ACP.names
ANSWER = "Hello from the fake model. Prompts seen: 1."
DONE = "Done. The tool said what I expected."
SUCCESSES = {
    "copilot-refusal": "I cannot help with that.",
    "copilot-shell": DONE,
    "copilot-text": ANSWER,
    "copilot-write": DONE,
    "gemini-denied": DONE,
    "gemini-refusal": "I cannot help with that.",
    "gemini-shell": DONE,
    "gemini-text": ANSWER,
    "gemini-thinking": ANSWER,
    "gemini-write": DONE,
    "opencode-shell": DONE,
    "opencode-text": ANSWER,
    "opencode-write": DONE,
}
FAILURES: dict[str, FailureKind] = {
    "copilot-auth": "auth",
    "copilot-cut": "connection",
    "copilot-denied": "permission_denied",
    "copilot-empty": "server_error",
    "copilot-rate-limit": "rate_limited",
    "gemini-auth": "auth",
    "gemini-cut": "server_error",
    "gemini-overloaded": "overloaded",
    "gemini-rate-limit": "rate_limited",
    "opencode-auth": "auth",
    "opencode-denied": "permission_denied",
}

AGENT = {"type": "agent", "name": "Scripted", "version": "1"}
SESSION = {"type": "session", "session_id": "s", "model": "m"}
FINAL = {"type": "final", "stop_reason": "end_turn", "usage": None}


def update(what: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"update.{what}", "update": {"sessionUpdate": what, **fields}}


def said(text: str, **fields: Any) -> dict[str, Any]:
    return update("agent_message_chunk", content={"type": "text", "text": text}, **fields)


def call(status: str, call_id: str = "1", **fields: Any) -> dict[str, Any]:
    return update("tool_call_update", toolCallId=call_id, status=status, **fields)


def used(**usage: Any) -> Usage:
    return turn(said("x"), FINAL | {"usage": usage}).result.usage


def turn(*events: dict[str, Any], resume: str | None = None, **end: Any) -> Replayed:
    asked = invocation(adapter="acp", argv=("some-agent",), resume=resume)
    return ACP.replay(lines(AGENT, SESSION, *events), asked=asked, **end)


def failure_of(*events: dict[str, Any], **end: Any) -> Failure:
    result = turn(*events, **end).result
    assert result.failure is not None
    assert result.text == ""
    return result.failure


@pytest.mark.parametrize(("name", "text"), SUCCESSES.items())
def test_recorded_success_succeeds(name: str, text: str) -> None:
    """A recorded run that answered is a success with its text and session."""
    result = ACP.recorded(name).result
    assert (result.failure, result.text) == (None, text)
    assert result.session_id
    assert (result.unknown_events, result.malformed_lines, result.truncated) == (0, 0, False)


@pytest.mark.parametrize(("name", "kind"), FAILURES.items())
def test_recorded_failure_has_its_kind(name: str, kind: FailureKind) -> None:
    """A recorded run that failed is classified, also where the agent says that all is well."""
    result = ACP.recorded(name).result
    assert result.failure is not None
    assert (result.failure.kind, result.text) == (kind, "")
    assert result.failure.retry_after_s == (2.0 if kind == "rate_limited" else None)
    assert result.unknown_events == 0


def test_every_recording_is_judged() -> None:
    """No recorded stream is left without a claim about its verdict."""
    assert set(NAMES) == {*SUCCESSES, *FAILURES}


def test_text_turn_tells_session_text_and_end() -> None:
    """A plain turn gives the session, the text in pieces and the final event."""
    text = ACP.recorded("opencode-text")
    started = text.of(SessionStarted)
    assert [(one.model, one.version) for one in started] == [("fake/fake-model", "1.18.33")]
    assert "".join(piece.text for piece in text.of(TextWritten)) == ANSWER
    assert text.of(UsageReported) == [UsageReported(Usage(100, 17, 30))]
    assert text.events[-1] == FinalGiven(ok=True)
    assert ACP.recorded("gemini-thinking").of(ThinkingWritten)


@pytest.mark.parametrize("agent", ["copilot", "gemini", "opencode"])
def test_tool_calls_start_and_end_once(agent: str) -> None:
    """Every agent's call gives one start and one end, with its kind for a name."""
    for name, kind, ok, denied in (
        ("write", "edit", True, False),
        ("shell", "execute", True, False),
        ("denied", "edit", False, True),
    ):
        told = ACP.recorded(f"{agent}-{name}")
        (started,), (ended,) = told.of(ToolStarted), told.of(ToolEnded)
        assert (started.name, started.call_id) == (kind, ended.call_id)
        assert started.summary
        assert (ended.name, ended.ok, ended.denied) == (kind, ok, denied)


def test_usage_is_read_by_its_total() -> None:
    """Whether cached input and thoughts are inside the other numbers is told by the total."""
    assert ACP.recorded("copilot-text").result.usage == Usage(100, 17, 30)
    assert ACP.recorded("copilot-write").result.usage == Usage(200, 34, 60)
    assert ACP.recorded("opencode-text").result.usage == Usage(100, 17, 30)
    assert used(inputTokens=7, outputTokens=2, totalTokens=9) == Usage(7, 2, None)
    assert used(inputTokens=7, outputTokens=2) == Usage(7, 2, None)
    told = {"inputTokens": 7, "outputTokens": 2, "cachedReadTokens": 3}
    assert used(**told, totalTokens=12, cachedWriteTokens=0) == Usage(10, 2, 3)
    assert used(**told, totalTokens=9) == Usage(7, 2, 3)


def test_unclear_usage_is_unknown() -> None:
    """Missing or contradicting numbers are unknown, never zero."""
    told = {"inputTokens": 7, "outputTokens": 2, "cachedReadTokens": 3}
    for usage in ({}, {"inputTokens": 7}, told, told | {"totalTokens": 99}, {"inputTokens": "7"}):
        assert used(**usage) == Usage()
    assert ACP.recorded("gemini-text").result.usage == Usage()
    # it tells the tokens of the last of two requests
    assert ACP.recorded("opencode-write").result.usage == Usage()


def test_cost_of_a_new_session_is_the_turns() -> None:
    """The cost is told for a whole session: it counts where the session began with the turn."""
    costs = [
        update("usage_update", used=1, size=2, cost={"amount": amount, "currency": currency})
        for amount, currency in ((0.25, "USD"), (9, "EUR"), (-1, "USD"), ("x", "USD"))
    ]
    new = turn(*costs, said("x"), FINAL)
    assert new.result.cost_usd == 0.25
    assert new.of(UsageReported) == [UsageReported(Usage(), 0.25)]
    assert turn(*costs, said("x"), FINAL, resume="s").result.cost_usd is None


def test_answer_is_what_comes_after_the_last_tool_call() -> None:
    """Words before a tool call, of another message or of the user are not the answer."""
    tool = call("in_progress", kind="read", title="look")
    assert turn(said("a"), tool, said("b"), said("c"), FINAL).result.text == "bc"
    assert failure_of(said("a"), tool, FINAL).kind == "empty_output"
    ids = [said("a", messageId="1"), said("b", messageId="2"), said("c", messageId="2")]
    assert turn(*ids, FINAL).result.text == "bc"
    user = update("user_message_chunk", content={"type": "text", "text": "q"})
    assert turn(said("a"), user, said("b"), FINAL).result.text == "b"


def test_call_starts_when_its_input_is_known() -> None:
    """A call that is only announced has not started; equal inputs have equal digests."""
    announced = update("tool_call", toolCallId="1", kind="edit", title="t", rawInput={})
    assert turn(announced).of(ToolStarted) == []
    first = call("pending", kind="edit", rawInput={"a": 1, "b": 2})
    second = call("in_progress", "2", rawInput={"b": 2, "a": 1})
    started = turn(announced, first, second).of(ToolStarted)
    assert [one.name for one in started] == ["edit", "other"]
    assert started[0].digest == started[1].digest != ""


def test_denied_call_ends_at_its_denial() -> None:
    """What the agent tells of a denied call afterwards changes nothing."""
    asked = {"type": "permission", "call": {"toolCallId": "1", "kind": "edit"}, "allowed": False}
    told = turn(asked, call("failed"), call("completed"), said("no"), FINAL)
    assert told.of(ToolEnded) == [ToolEnded("1", "edit", ok=False, denied=True)]
    assert (told.result.failure, told.result.tools) == (None, (("edit", False),))
    assert failure_of(asked, FINAL).kind == "permission_denied"
    assert failure_of(asked, call("completed", "2"), FINAL).kind == "empty_output"


def test_words_of_copilot_itself() -> None:
    """Its own words are no answer: errors fail the turn unless an answer follows."""
    copilot = AGENT | {"name": "Copilot"}
    error = said("Error: Something new happened.")
    assert failure_of(copilot, said("half"), error, FINAL).kind == "server_error"
    answered = turn(copilot, said("Info: a"), error, said("Yes: "), said("b"), FINAL).result
    assert (answered.failure, answered.text) == (None, "Yes: b")
    again = said("Info: Response was interrupted. Retrying...")
    retried = turn(copilot, said("half"), again, said("whole"), FINAL)
    assert retried.result.text == "whole"
    assert len(retried.of(RetryNoticed)) == 1


def test_errors_told_as_an_answer_by_other_agents() -> None:
    """A trouble with the server in one piece is no answer; what a model may write is one."""
    limit = said("Error: 429 Too many requests, try again in 30s")
    failure = failure_of(limit, FINAL)
    assert (failure.kind, failure.retry_after_s) == ("rate_limited", 30.0)
    assert turn(said("Error: the file is missing"), FINAL).result.failure is None
    assert turn(said("Error: "), said("429 is a status"), FINAL).result.failure is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "quota exceeded, retry in 2s"}, "rate_limited"),
        ({"code": 429, "message": "quota exceeded, retry in 9h"}, "quota"),
        ({"code": -32603, "message": "Internal error"}, "server_error"),
        ({"code": -32603, "message": "Internal error", "data": "503 overloaded"}, "overloaded"),
        ({"code": -32603, "message": "x", "data": {"error": {"m": "ECONNRESET"}}}, "connection"),
        ({"code": -32000, "message": "Nope"}, "auth"),
        ({"code": -32000, "message": "prompt is too long"}, "context_length"),
        ({"code": -32602, "message": "Invalid params"}, "server_error"),
        ({"code": "x", "message": [1], "data": [2]}, "server_error"),
    ],
)
def test_errors_of_the_prompt(error: dict[str, Any], kind: FailureKind) -> None:
    """An error is classified from its status, its text and the text in its data."""
    line = {"type": "error", "stage": "prompt", "reason": "rpc", **error}
    assert failure_of(said("half"), line, exit_code=1).kind == kind


@pytest.mark.parametrize(
    ("error", "stderr", "kind"),
    [
        ({"reason": "gone", "stage": "prompt", "exit_code": 1}, "401 Unauthorized", "crashed"),
        ({"reason": "gone", "stage": "prompt", "exit_code": 0}, "", "truncated"),
        ({"reason": "gone", "stage": "prompt"}, "", "crashed"),
        ({"reason": "gone", "stage": "initialize", "exit_code": 1}, "not logged in", "auth"),
        ({"reason": "gone", "stage": "session", "exit_code": 0}, "", "crashed"),
        ({"reason": "new", "stage": "new"}, "", "protocol"),
        ({}, "", "protocol"),
    ],
)
def test_agent_that_went_away(error: dict[str, Any], stderr: str, kind: FailureKind) -> None:
    """Before it got its prompt its stderr tells why; after that it broke off."""
    told = {"type": "error", **error}
    assert failure_of(told, exit_code=1, stderr_tail=stderr).kind == kind


def test_end_of_the_bridge_itself() -> None:
    """Whatever ends the bridge before its last line is no success; nor is a bad exit after it."""
    assert failure_of(said("x"), exit_code=-9).kind == "crashed"
    assert failure_of(said("x")).kind == "truncated"
    assert failure_of(said("x"), ended_by_us=True).kind == "cancelled"
    assert failure_of(said("x"), FINAL, exit_code=1).kind == "crashed"
    assert failure_of(said("x"), FINAL, cut_line=b"{").kind == "truncated"
    assert turn(FINAL).result.failure == Failure("empty_output", "ended without an answer")


def test_unknown_updates_are_counted() -> None:
    """New kinds of updates are tolerated, until they are most of what is said."""
    new = [update(f"new_{number}") for number in range(3)]
    text = [said(str(number)) for number in range(20)]
    result = turn(*new, *text, FINAL).result
    assert (result.failure, result.unknown_events) == (None, 3)
    assert failure_of(*new, said("x"), FINAL).kind == "protocol"
    malformed = {"type": "malformed", "bytes": 3, "start": "Hi!"}
    loud = turn(malformed, said("x"), FINAL)
    assert (loud.result.failure, loud.result.malformed_lines) == (None, 1)
    assert NoticeGiven("Hi!") in loud.events


@given(st.sampled_from(NAMES), st.data())
def test_cut_streams_fail(name: str, data: st.DataObject) -> None:
    """A stream that stops anywhere is no success."""
    ACP.fail_when_cut(name, data)


@given(st.sampled_from(sorted(SUCCESSES)), st.data())
def test_unknown_lines_leave_the_answer(name: str, data: st.DataObject) -> None:
    """Unknown lines anywhere leave the answer as it was."""
    ACP.keep_their_answer(name, data)


@given(st.sampled_from(NAMES), st.data())
def test_damage_raises_nothing(name: str, data: st.DataObject) -> None:
    """Bytes overwritten anywhere raise nothing."""
    ACP.survive_damage(name, data)


KINDS = st.sampled_from(
    [
        *("agent", "session", "permission", "final", "error", "malformed", "refused", "new"),
        *("update.tool_call", "update.tool_call_update", "update.agent_message_chunk"),
        *("update.usage_update", "update.agent_thought_chunk"),
    ]
)
KEYS = st.sampled_from(
    [
        *("update", "call", "content", "toolCallId", "kind", "title", "status", "rawInput", "text"),
        *("messageId", "cost", "amount", "usage", "totalTokens", "reason", "stage", "code"),
        *("message", "data", "stop_reason", "session_id", "allowed", "exit_code"),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(st.tuples(KINDS, st.dictionaries(KEYS, ANYTHING, max_size=6)), max_size=8))
def test_lines_of_any_shape(told: list[tuple[str, dict[str, Any]]]) -> None:
    """Whatever stands in the fields, nothing is raised, and only a good end is a success."""
    stream = b"".join(json.dumps({**rest, "type": kind}).encode() + b"\n" for kind, rest in told)
    result = ACP.replay(stream).result
    ends = [rest.get("stop_reason") for kind, rest in told if kind == "final"]
    if result.failure is None:
        assert ends[-1:] == ["end_turn"]
