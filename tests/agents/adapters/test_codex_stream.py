import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import JSON, NOW, Recordings, Replayed, invocation, lines
from orchcore.agents.adapters.codex import CodexAdapter
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.lines import LineSplitter
from orchcore.events import (
    AgentEvent,
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
from orchcore.results import FailureKind, TurnResult, Usage

CODEX = CodexAdapter(clock=lambda: NOW)
NEW = Recordings("codex-0.169.0", CODEX)
OLD = Recordings("codex-0.104.0", CODEX)

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
LIST = {"type": "array", "items": {"type": "string"}}
ANSWER = "Hello from the fake model. The answer is 42."
AFTER_TOOL = "Done. The tool said what I expected. [final answer]"
ID = "01a2094c-631c-77c0-b13a-438f7dff2147"
OTHER_ID = "01a2094c-631c-77c0-b13a-438f7dff2148"
SHELL, FILE = "command_execution", "file_change"

START = {"type": "thread.started", "thread_id": ID}
TURN = {"type": "turn.started"}
USED = {"input_tokens": 100, "cached_input_tokens": 30, "output_tokens": 17}
GOOD = {"type": "turn.completed", "usage": {**USED, "reasoning_output_tokens": 5}}

SUCCESSES = (
    *("text", "thinking", "unicode", "two_messages", "retried"),
    *("tool_shell", "tool_read", "tool_edit", "tool_fail", "tool_agent", "denied_write"),
    *("file_change", "file_change_refused", "web_search", "background"),
)
SESSIONS = ("resume", "fork", "resume_unknown_name")
FAILURES: dict[str, FailureKind] = {
    "auth_401": "auth",
    "bad_flag": "bad_invocation",
    "bad_schema": "bad_invocation",
    "context_window": "context_length",
    "cut": "connection",
    "empty": "empty_output",
    "fork_unknown": "session_not_found",
    "last_is_tool": "empty_output",
    "no_key": "auth",
    "no_model": "model_not_found",
    "not_in_plan": "billing",
    "overloaded": "overloaded",
    "quota": "quota",
    "rate_limit": "rate_limited",
    "refused": "refused",
    "resume_unknown": "session_not_found",
    "server_error": "server_error",
    "sig_group_INT": "crashed",
    "sig_group_TERM": "crashed",
    "sig_slow_text_INT": "crashed",
    "stream_error": "overloaded",
    "usage_limit": "quota",
}
OLD_SUCCESSES = ("file_change", "text", "todo_list", "tool_shell")


def said(text: str) -> dict[str, Any]:
    return item("completed", type="agent_message", text=text)


def item(end: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"item.{end}", "item": {"id": "item_1", **fields}}


def shell(end: str = "completed", **fields: Any) -> dict[str, Any]:
    told = {"type": SHELL, "command": "ls", "aggregated_output": "", "exit_code": 0}
    return item(end, **{**told, "status": end, **fields})


def error(message: str) -> dict[str, Any]:
    return {"type": "error", "message": message}


def replay(*stream: dict[str, Any], end: dict[str, Any] | None = None, **changes: Any) -> Replayed:
    asked = NEW.asked(**changes)
    return NEW.replay(lines(START, TURN, *stream), asked=asked, **(end or {}))


def kind(result: TurnResult) -> FailureKind | None:
    return None if result.failure is None else result.failure.kind


@pytest.mark.parametrize("name", SUCCESSES)
def test_recorded_success_succeeds(name: str) -> None:
    """A recorded run that answered is a success with its text, session and tokens; no price."""
    result = NEW.recorded(name).result
    assert result.failure is None
    assert result.text
    assert result.session_id
    assert result.usage.input_tokens
    assert (result.cost_usd, result.models) == (None, {})
    assert (result.unknown_events, result.malformed_lines, result.truncated) == (0, 0, False)


@pytest.mark.parametrize(("name", "kind_of"), FAILURES.items())
def test_recorded_failure_has_its_kind(name: str, kind_of: FailureKind) -> None:
    """A recorded run that failed is classified, and what it said before is no answer."""
    result = NEW.recorded(name).result
    assert kind(result) == kind_of
    assert result.failure is not None
    assert result.failure.detail
    assert (result.text, result.answer) == ("", None)
    assert (result.unknown_events, result.malformed_lines) == (0, 0)


@pytest.mark.parametrize("name", OLD_SUCCESSES)
def test_older_success_succeeds(name: str) -> None:
    """The stream of 0.104.0 is read alike."""
    result = OLD.recorded(name).result
    assert (result.failure, result.unknown_events) == (None, 0)
    assert result.text == "Hello. prompts=1"
    assert result.usage.input_tokens in (100, 200)


def test_every_recording_is_judged() -> None:
    """No recorded stream is left without a claim about its verdict."""
    assert set(NEW.names) == {*SUCCESSES, *FAILURES, *SESSIONS, "structured", "structured_bad"}
    assert set(OLD.names) == {*OLD_SUCCESSES, "resume", "resume_unknown", "usage_limit"}


def test_text_turn_tells_session_text_and_end() -> None:
    """A plain turn gives the session, a notice of the model's metadata, the text and the end."""
    turn = NEW.recorded("text")
    assert turn.of(SessionStarted) == [SessionStarted(ID)]
    assert turn.of(NoticeGiven)[0].text.startswith("Model metadata for")
    assert turn.of(TextWritten) == [TextWritten(ANSWER)]
    assert turn.events[-2:] == (UsageReported(Usage(100, 17, 30)), FinalGiven(ok=True))
    assert (turn.result.text, turn.result.usage) == (ANSWER, Usage(100, 17, 30))
    assert turn.result.events == {"session": 1, "text": 1, "usage": 1, "final": 1, "notice": 2}


def test_thought_is_no_text() -> None:
    """Reasoning is told as such."""
    turn = NEW.recorded("thinking")
    thoughts = [thought.text for thought in turn.of(ThinkingWritten)]
    assert thoughts == ["First I consider the question. Then I answer."]
    assert turn.result.text == ANSWER


def test_separators_in_the_text_are_kept() -> None:
    """U+2028 and U+0085 are printed raw and part no line."""
    text = NEW.recorded("unicode").result.text
    assert "\u2028" in text
    assert "\x1b[31mred" in text


def test_tool_call_is_told_with_its_command() -> None:
    """A command is told without the shell around it, and ends with what the CLI says of it."""
    turn = NEW.recorded("tool_shell")
    started, ended = turn.of(ToolStarted)[0], turn.of(ToolEnded)[0]
    assert (started.name, started.summary) == (SHELL, "echo hi")
    assert (ended.call_id, ended.name, ended.ok) == (started.call_id, SHELL, True)
    assert turn.result.tools == ((SHELL, True),)
    assert NEW.recorded("tool_fail").result.tools == ((SHELL, False),)
    assert NEW.recorded("tool_edit").result.tools == ((SHELL, True), (SHELL, True))


def test_only_what_follows_the_last_tool_is_the_answer() -> None:
    """What it said before it went to work is shown, and is not the answer."""
    turn = NEW.recorded("tool_read")
    assert [text.text for text in turn.of(TextWritten)] == ["Let me check. ", AFTER_TOOL]
    assert turn.result.text == AFTER_TOOL


def test_last_message_is_the_answer() -> None:
    """Of several messages in one reply the last is the answer, as it is for ``codex exec -o``."""
    assert NEW.recorded("two_messages").result.text == "second message"


def test_write_that_the_sandbox_stopped_is_a_failed_tool() -> None:
    """A command that met a read-only file system failed; the turn did not."""
    turn = NEW.recorded("denied_write")
    assert turn.result.tools == ((SHELL, False),)
    assert [ended.denied for ended in turn.of(ToolEnded)] == [False]
    assert (turn.result.failure, turn.result.text) == (None, AFTER_TOOL)


def test_file_change_is_told_in_both_versions() -> None:
    """0.104.0 tells of a change only when it is done: its start is told then."""
    for recordings in (NEW, OLD):
        turn = recordings.recorded("file_change")
        started = turn.of(ToolStarted)[0]
        assert (started.name, started.summary) == (FILE, "/work-dir/codex/file_change/new.txt")
        assert len(turn.of(ToolStarted)) == 1
        assert turn.result.tools == ((FILE, True),)


def test_refused_patch_is_a_warning() -> None:
    """A patch that the sandbox forbids is not in the stream: stderr alone tells of it."""
    result = NEW.recorded("file_change_refused").result
    assert (result.failure, result.tools) == (None, ())
    (warning,) = result.warnings
    assert warning.startswith("Codex refused a tool call: patch rejected: writing is blocked")
    assert NEW.recorded("tool_agent").result.warnings == ()


def test_refusal_without_an_answer_is_permission_denied() -> None:
    """A turn that says nothing after a refused or declined call is not worth trying again."""
    stderr = "ERROR codex_core::tools::router: error=patch rejected: writing is blocked\n"
    assert kind(replay(GOOD, end={"stderr_tail": stderr}).result) == "permission_denied"
    declined = replay(shell(status="declined", exit_code=None), GOOD)
    assert kind(declined.result) == "permission_denied"
    assert [ended.denied for ended in declined.of(ToolEnded)] == [True]
    went_on = replay(shell(status="declined"), said("then not"), GOOD).result
    assert (went_on.failure, went_on.tools) == (None, ((SHELL, False),))


def test_refusals_are_told_while_codex_runs() -> None:
    """Any other line of stderr, or any bytes, tell nothing."""
    parser = CodexAdapter().parser(invocation())
    told = parser.parse_error(b"ERROR codex_core::tools::router: error=approval is Never; reject")
    assert told == [ToolEnded("", "a tool call", ok=False, denied=True)]
    assert not any(parser.parse_error(line) for line in (b"", b"\xff\xfe", b"INFO rejected"))


def test_other_tools() -> None:
    """MCP tools are named with their server, collaborations by their name, new kinds by theirs."""
    mcp = {"type": "mcp_tool_call", "server": "docs", "tool": "find", "arguments": {"q": "x"}}
    turn = replay(
        item("started", **mcp, status="in_progress"),
        item("completed", **mcp, status="completed", error=None),
        item("completed", **mcp, status="failed", error={"message": "no"}),
        item("completed", type="collab_tool_call", tool="wait", prompt="p", status="completed"),
        item("completed", type="web_search", query="weather"),
        item("completed", type="from_the_future", status="completed"),
        item("completed", type="also_from_the_future"),
        said("done"),
        GOOD,
    )
    assert turn.result.tools == (
        *(("docs.find", True), ("docs.find", False), ("wait", True)),
        *(("web_search", True), ("from_the_future", True)),
    )
    summaries = [started.summary for started in turn.of(ToolStarted)]
    assert summaries == ['{"q": "x"}', '{"q": "x"}', "p", "weather", ""]
    assert NEW.recorded("web_search").result.tools == (("web_search", True),)


def test_patch_that_grows_starts_once() -> None:
    """0.169.0 may tell of a patch by updates alone, until it is done."""
    patch = {"type": FILE, "changes": [{"path": "a"}, {"path": "b"}]}
    turn = replay(
        item("updated", **patch, status="in_progress"),
        item("updated", **patch, status="in_progress"),
        item("completed", **patch, status="completed"),
        said("done"),
        GOOD,
    )
    assert [started.summary for started in turn.of(ToolStarted)] == ["a, b"]
    assert turn.result.tools == ((FILE, True),)


@pytest.mark.parametrize(
    ("command", "summary"),
    [
        ("/bin/bash -lc 'echo hi'", "echo hi"),
        ("bash -c \"python3 -c 'x'\"", "python3 -c 'x'"),
        ("/bin/bash -lc 'unclosed", "/bin/bash -lc 'unclosed"),
        ("ls -l x", "ls -l x"),
        ("sh -c '" + "x" * 3000 + "'", "sh -c '" + "x" * 192 + "…"),
    ],
)
def test_command_is_shown_without_its_shell(command: str, summary: str) -> None:
    """The shell around a command says nothing; one that cannot be read is shown as it is."""
    (started,) = replay(shell("started", command=command)).of(ToolStarted)
    assert started.summary == summary


def test_unfinished_tool_is_no_contradiction() -> None:
    """A background command that is never told to end does not spoil the turn."""
    turn = NEW.recorded("background")
    assert len(turn.of(ToolStarted)) == 1
    assert turn.result.tools == ()
    assert turn.result.text == "Hello. prompts=1"


def test_plan_comes_late_and_is_no_tool() -> None:
    """A plan's end comes after the answer, with an older id, and takes nothing away from it."""
    turn = OLD.recorded("todo_list")
    assert (turn.result.tools, turn.result.text) == ((), "Hello. prompts=1")


def test_text_of_a_failed_try_is_no_answer() -> None:
    """A try that was cut leaves its message in the stream; the retry is told and parts them."""
    turn = NEW.recorded("retried")
    assert [text.text for text in turn.of(TextWritten)] == [
        "from the failed try",
        "from the good try",
    ]
    (retry,) = turn.of(RetryNoticed)
    assert (retry.attempt, retry.delay_s) == (1, None)
    assert retry.reason.startswith("stream disconnected before completion")
    assert turn.result.text == "from the good try"
    only_failed = replay(said("half"), error("Reconnecting... 1/5 (x)"), GOOD).result
    assert kind(only_failed) == "empty_output"


@pytest.mark.parametrize(
    ("message", "retry"),
    [
        ("Reconnecting... 2/5 (429 (x))", RetryNoticed("429 (x)", 2)),
        ("Reconnecting... 7 (lost)", RetryNoticed("lost", 7)),
        ("Reconnecting... 1/5", RetryNoticed("connection", 1)),
        ("Reconnecting...", RetryNoticed("connection", None)),
        ("stream error: lost; retrying 1/5 in 187ms…", RetryNoticed("stream error: lost", 1)),
    ],
)
def test_retries_are_told(message: str, retry: RetryNoticed) -> None:
    """Each retry of the CLI is told with its reason, in the words of old and new versions."""
    turn = replay(error(message), said("yes"), GOOD)
    assert turn.of(RetryNoticed) == [retry]
    assert turn.result.text == "yes"
    assert len(NEW.recorded("rate_limit").of(RetryNoticed)) == 5


def test_error_is_final_if_nothing_comes_of_it() -> None:
    """An error right before success contradicts it; one that was followed by an answer does not."""
    limited = error("exceeded retry limit, last status: 429 Too Many Requests")
    assert kind(replay(said("a"), limited, GOOD).result) == "rate_limited"
    assert kind(replay(limited).result) == "rate_limited"
    went_on = replay(limited, said("b"), GOOD).result
    assert (went_on.failure, went_on.text) == (None, "b")
    assert kind(replay(said("a"), error(""), GOOD).result) == "crashed"


def test_error_item_is_a_notice() -> None:
    """Items of type error are warnings, before the turn and in it."""
    lost = item("completed", type="error", message="Falling back from WebSockets to HTTPS")
    turn = replay(lost, said("yes"), lost, GOOD)
    assert (turn.result.failure, turn.result.text) == (None, "yes")
    assert NoticeGiven("Falling back from WebSockets to HTTPS") in turn.events


def test_addresses_are_no_words() -> None:
    """The address in a message may hold any word and tells no kind."""
    message = "unexpected status 500 Oops: x, url: http://a/usage_limit/overloaded/v1, id: 3"
    failed = replay({"type": "turn.failed", "error": {"message": message}}, end={"exit_code": 1})
    assert kind(failed.result) == "server_error"


def test_failure_of_an_unknown_kind() -> None:
    """A failure in words that nobody knows has crashed, with those words."""
    failed = replay({"type": "turn.failed", "error": {"message": "odd"}}, end={"exit_code": 1})
    assert str(failed.result.failure) == "crashed: odd"
    assert failed.events[-1] == FinalGiven(ok=False)
    assert kind(replay({"type": "turn.failed"}).result) == "crashed"


def test_limit_tells_when_to_come_back() -> None:
    """The clock time of a used-up limit is local and the next such moment."""
    failure = NEW.recorded("usage_limit").result.failure
    assert failure is not None
    assert failure.resets_at is not None
    local = datetime.fromtimestamp(failure.resets_at, UTC).astimezone()
    assert (local.hour, local.minute) == (17, 48)
    assert NOW < failure.resets_at <= NOW + 86400
    assert failure.retry_after_s is None
    old = OLD.recorded("usage_limit").result.failure
    assert old is not None
    assert old.resets_at is not None
    wait = error("stream disconnected: Rate limit reached. Please try again in 1.5s.")
    assert (told := replay(wait).result.failure) is not None
    assert (told.kind, told.retry_after_s) == ("rate_limited", 1.5)


def test_usage_of_a_resumed_turn_is_its_own() -> None:
    """Sums over the thread are made those of this turn, if it is known what was spent before."""
    before = Usage(200, 34, 60)
    resumed = NEW.recorded("resume", resume=ID, spent_before=before).result
    assert (resumed.failure, resumed.usage) == (None, Usage(100, 17, 30))
    assert NEW.recorded("resume", resume=ID).result.usage == Usage()
    partly = NEW.recorded("resume", resume=ID, spent_before=Usage(200, None, 60)).result
    assert partly.usage == Usage(100, None, 30)
    odd = NEW.recorded("resume", resume=ID, spent_before=Usage(999, 34, 60)).result
    assert odd.usage == Usage(None, 17, 30)


def test_usage_of_a_fork_begins_with_its_parents() -> None:
    """A fork counts on from its parent's tokens; without knowing them its own are unknown."""
    asked = {"resume": ID, "fork": True}
    forked = NEW.recorded("fork", **asked, spent_before=Usage(100, 17, 30)).result
    assert (forked.failure, forked.usage) == (None, Usage(100, 17, 30))
    assert forked.session_id != ID
    assert NEW.recorded("fork", **asked).result.usage == Usage()


def test_no_tokens_are_unknown_tokens() -> None:
    """Zeros stand for a model server that told nothing."""
    zeros = {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}
    result = replay(said("yes"), {**GOOD, "usage": zeros}).result
    assert (result.failure, result.usage) == (None, Usage())
    assert replay(said("yes"), {"type": "turn.completed"}).result.usage == Usage()


def test_another_thread_is_not_the_one_that_was_resumed() -> None:
    """0.104.0 begins a new thread where it finds none, and says that all is well."""
    unknown = OLD.recorded("resume_unknown", resume=OTHER_ID).result
    assert kind(unknown) == "session_not_found"
    assert (unknown.text, unknown.exit_code) == ("", 0)
    known = json.loads(OLD.stream("resume").split(b"\n")[0])["thread_id"]
    resumed = OLD.recorded("resume", resume=known.upper(), spent_before=Usage(100, 17, 30)).result
    assert (resumed.failure, resumed.usage) == (None, Usage(100, 17, 30))
    by_name = NEW.recorded("resume_unknown_name", resume="a name").result
    assert by_name.failure is None  # a name may be that of any thread


def test_structured_answer_is_given() -> None:
    """The answer is the JSON that the agent said."""
    result = NEW.recorded("structured", schema=SCHEMA).result
    assert result.failure is None
    assert result.answer == {"answer": "fake", "score": 1}
    assert json.loads(result.text) == result.answer


def test_missing_structured_answer_is_invalid_output() -> None:
    """Codex does not check an answer: prose instead of JSON is invalid, although it exits with 0."""
    result = NEW.recorded("structured_bad", schema=SCHEMA).result
    assert kind(result) == "invalid_output"
    assert result.failure is not None
    assert "I will not give you JSON." in result.failure.detail
    assert (result.text, result.answer) == ("", None)
    assert kind(NEW.recorded("empty", schema=SCHEMA).result) == "empty_output"
    assert kind(NEW.recorded("auth_401", schema=SCHEMA).result) == "auth"


def test_answer_that_is_no_object_is_unboxed() -> None:
    """A schema whose root is no object is asked for in a box and answered without it."""
    result = replay(said('```json\n{"answer": ["é"]}\n```'), GOOD, schema=LIST).result
    assert (result.answer, result.text) == (["é"], '["é"]')


@pytest.mark.parametrize(
    ("end", "kind_of"),
    [
        ({"exit_code": 1}, "crashed"),
        ({"exit_code": -9}, "crashed"),
        ({"cut_line": b'{"type":"it'}, "truncated"),
        ({"ended_by_us": True}, "cancelled"),
    ],
)
def test_contradicted_success_is_a_failure(end: dict[str, Any], kind_of: FailureKind) -> None:
    """A final event that says success is believed only if nothing speaks against it."""
    result = replay(said("yes"), GOOD, end=end).result
    assert kind(result) == kind_of
    assert result.text == ""


def test_unknown_exit_code_does_not_contradict() -> None:
    """A process that had to be ended after its final event still counts."""
    assert replay(said("yes"), GOOD, end={"exit_code": None}).result.failure is None


def test_stream_without_an_end_is_truncated() -> None:
    """Exit 0 without a final event is no success, and silence is none."""
    result = replay(said("yes")).result
    assert (kind(result), result.truncated) == ("truncated", True)
    assert kind(NEW.replay(b"").result) == "empty_output"
    assert kind(replay(said("yes"), GOOD, TURN).result) == "truncated"


@pytest.mark.parametrize(
    "stderr",
    [
        "Error loading config.toml: unknown variant `bogus`\nin `sandbox_mode`\n",
        "Error parsing -c overrides: no\n",
        "No prompt provided via stdin.\n",
        "Output schema file /x/schema.json is not valid JSON: expected ident at line 1\n",
    ],
)
def test_what_codex_never_begins_is_the_invocations_fault(stderr: str) -> None:
    """Told on stderr alone, with exit code 1 and no line."""
    ended = NEW.replay(b"", exit_code=1, stderr_tail=stderr).result
    assert kind(ended) == "bad_invocation"


def test_unknown_types_are_counted() -> None:
    """One unknown line is counted and harms nothing; many mean another protocol."""
    new = {"type": "from_the_future"}
    few = replay(new, said("yes"), GOOD).result
    assert (few.unknown_events, few.failure) == (1, None)
    assert kind(replay(*[new] * 4, said("yes"), GOOD).result) == "protocol"
    assert kind(NEW.replay(lines(new)).result) == "protocol"


def test_lines_that_are_no_objects_are_counted() -> None:
    """What is not one JSON object per line is counted and skipped; empty lines are not."""
    noise = b'debug: hi\n[1]\n"x"\n\n  \n\xff\xfe\n' + b"[" * 100_000 + b"\n"
    result = NEW.replay(noise + lines(START, TURN, said("yes"), GOOD)).result
    assert (result.malformed_lines, result.failure) == (5, None)


def test_long_lines_are_read() -> None:
    """A tool's output is one line, however long."""
    result = replay(shell(aggregated_output="x" * 2_000_000), said("yes"), GOOD).result
    assert (result.failure, result.tools) == (None, ((SHELL, True),))


@given(st.sampled_from(SUCCESSES), st.randoms(use_true_random=False))
def test_chunks_change_nothing(name: str, rng: random.Random) -> None:
    """However the bytes are cut, the same events come out."""
    stream, parser, splitter = NEW.stream(name), CODEX.parser(NEW.asked()), LineSplitter(10**7)
    events: list[AgentEvent] = []
    at = 0
    while at < len(stream):
        size = rng.randint(1, 200)
        for line in splitter.feed(stream[at : at + size]):
            events += parser.parse(line)
        at += size
    assert tuple(events) == NEW.recorded(name).events
    assert parser.finish(Ending(0)).failure is None


KINDS = ["thread.started", "turn.started", "turn.failed", "error", "new"]
ENDS = ["item.started", "item.updated", "item.completed"]
ITEMS = [SHELL, FILE, "mcp_tool_call", "web_search", "agent_message", "reasoning", "error", "new"]
KEYS = ["id", "status", "text", "tool", "server", "command", "changes", "arguments", "exit_code"]


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """A line of a known or unknown type with fields of any type."""
    fields = draw(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
    inner = {**fields, "type": draw(st.sampled_from(ITEMS) | JSON)}
    if draw(st.booleans()):
        return json.dumps({"type": draw(st.sampled_from(ENDS)), "item": inner}).encode()
    told = {"message": draw(JSON), "thread_id": draw(JSON), "error": draw(JSON)}
    return json.dumps({**told, "type": draw(st.sampled_from(KINDS))}).encode()


@given(st.lists(st.binary(max_size=40) | odd_lines()), st.booleans())
def test_anything_may_be_printed(printed: list[bytes], structured: bool) -> None:
    """No bytes raise, what is told can be recorded, and without an end nothing is a success."""
    asked = NEW.asked(schema=SCHEMA if structured else None, resume=ID)
    turn = NEW.replay(b"\n".join(printed), asked=asked)
    assert turn.result.failure is not None
    for event in turn.events:
        assert event_json(AgentSaid(at=0, node="n", turn="t", event=event))


@given(st.sampled_from(NEW.names), st.data())
def test_cut_anywhere_is_never_a_false_success(name: str, data: st.DataObject) -> None:
    """A recorded stream that stops anywhere before its last newline is no success."""
    NEW.fail_when_cut(name, data)


@given(st.sampled_from(SUCCESSES), st.data())
def test_unknown_lines_anywhere_change_no_verdict(name: str, data: st.DataObject) -> None:
    """Two lines of unknown types anywhere leave the answer as it was."""
    NEW.keep_their_answer(name, data)


@given(st.sampled_from(NEW.names), st.data())
def test_damaged_stream_never_raises(name: str, data: st.DataObject) -> None:
    """Bytes overwritten anywhere raise nothing."""
    NEW.survive_damage(name, data)


def test_parsers_share_nothing() -> None:
    """Each turn has a parser of its own."""
    first, second = CODEX.parser(invocation()), CODEX.parser(invocation())
    first.parse(lines(START)[:-1])
    assert second.finish(Ending(exit_code=0)).session_id is None


def test_a_torn_message_is_not_replaced_by_the_one_before() -> None:
    """The last message may be the one that was broken."""
    stream = (
        {"type": "thread.started", "thread_id": "t"},
        said("I will first look."),
        said("Do not."),
        {"type": "turn.completed", "usage": {"input_tokens": 1, "output_tokens": 1}},
    )
    whole = b"".join(json.dumps(line).encode() + b"\n" for line in stream)
    parser = CODEX.parser(invocation())
    for line in whole.replace(b'"Do not."', b'"Do not').splitlines():
        parser.parse(line)
    failure = parser.finish(Ending(exit_code=0)).failure
    assert failure is not None
    assert failure.kind == "protocol"
