import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import Replayed, lines, replay
from orchcore.agents.adapters.demo import PROGRAM, DemoAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    SessionStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import FailureKind, TurnResult

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 3, "maximum": 5}},
    "required": ["score"],
}
PATIENT = TurnLimits(term_grace_s=1.0, result_grace_s=5.0)


@pytest.fixture
def request_for(tmp_path: Path) -> Invocation:
    (tmp_path / "turn").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "notes.md").write_text("one\ntwo\n")
    return Invocation(
        agent="demo",
        adapter="demo",
        prompt="Describe the notes about sailing",
        cwd=tmp_path / "work",
        folder=tmp_path / "turn",
        session_folder=tmp_path / "run",
        new_session_id="first",
        limits=PATIENT,
    )


async def turn(invocation: Invocation) -> tuple[TurnResult, list[AgentEvent]]:
    environ = {**os.environ, "ORCHCORE_DEMO_SPEED": "0"}
    events: list[AgentEvent] = []
    runner = LocalTurnRunner({"demo": DemoAdapter()}, Trees(), environ)
    return await runner.run(invocation, events.append), events


async def test_plain_turn_answers_marked_as_simulated(request_for: Invocation) -> None:
    """A turn tells its session, looks at real files, streams its text and costs nothing."""
    result, events = await turn(request_for)
    assert result.failure is None
    assert result.text.startswith("[simulated] ")
    assert (result.session_id, result.cost_usd) == ("first", 0.0)
    assert result.usage.input_tokens
    assert result.usage.output_tokens
    assert result.tools == (("list_files", True), ("read_file", True))
    started = [event for event in events if isinstance(event, ToolStarted)]
    assert [call.summary for call in started] == [".", "notes.md"]
    pieces = [event for event in events if isinstance(event, TextWritten)]
    assert "".join(piece.text for piece in pieces) == result.text
    assert events[0] == SessionStarted("first", "demo", "1.0")
    assert events[-1] == FinalGiven(ok=True)


async def test_schema_gets_an_instance(request_for: Invocation) -> None:
    """With a schema the answer is an instance of it, and the text is that as JSON."""
    result, _ = await turn(replace(request_for, schema=SCHEMA))
    assert result.failure is None
    assert result.answer in [{"score": 3}, {"score": 4}, {"score": 5}]
    assert json.loads(result.text) == result.answer


async def test_session_goes_on_and_branches(request_for: Invocation) -> None:
    """A resumed turn knows the turns before it; a fork leaves the original as it was."""
    first, _ = await turn(request_for)
    again = replace(request_for, resume="first")
    second, _ = await turn(again)
    assert second.session_id == "first"
    assert second.text != first.text
    fork, _ = await turn(replace(again, fork=True, new_session_id="branch"))
    assert fork.session_id == "branch"
    assert _turns(request_for, "branch") == 3
    assert _turns(request_for, "first") == 2
    assert fork.usage.cached_input_tokens


def _turns(invocation: Invocation, session_id: str) -> int:
    file = invocation.session_folder / "demo" / f"{session_id}.json"
    return len(json.loads(file.read_text())["turns"])


@pytest.mark.parametrize("session_id", ["nobody", "../first", "", "a/b"])
async def test_unknown_session_is_not_found(request_for: Invocation, session_id: str) -> None:
    """An id without a session, or one that points elsewhere, is a failure of that kind."""
    result, _ = await turn(replace(request_for, resume=session_id))
    assert result.failure is not None
    assert result.failure.kind == "session_not_found"


async def test_same_input_gives_the_same_turn(request_for: Invocation) -> None:
    """Two new sessions with one prompt say the same, whatever their ids."""
    one, _ = await turn(request_for)
    two, _ = await turn(replace(request_for, new_session_id="second"))
    other, _ = await turn(replace(request_for, prompt="Describe the notes about chess"))
    assert one.text == two.text != other.text


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("demo: fail rate_limited 2.5", "rate_limited"),
        ("demo: fail quota", "quota"),
        ("demo: fail no_such_kind", "server_error"),
        ("demo: exit 3", "crashed"),
        ("demo: exit 0", "truncated"),
        ("demo: dance", "bad_invocation"),
        ("demo: denied shell\ndemo: denied shell\ndemo: denied shell", "permission_denied"),
    ],
)
async def test_directives_make_it_fail(
    request_for: Invocation, line: str, kind: FailureKind
) -> None:
    """A line of the prompt decides how the turn fails."""
    prompt = f"Do it.\n{line}\nNow.\ndemo: silent {30 if 'denied' in line else 0}"
    result, _ = await turn(replace(request_for, prompt=prompt))
    assert result.failure is not None
    assert result.failure.kind == kind
    if kind == "rate_limited":
        assert result.failure.retry_after_s == 2.5


async def test_answer_can_be_dictated(request_for: Invocation) -> None:
    """``demo: answer`` is taken as the answer, valid or not."""
    prompt = 'Judge it.\ndemo: answer {"score": 99}'
    result, _ = await turn(replace(request_for, prompt=prompt, schema=SCHEMA))
    assert result.answer == {"score": 99}


async def test_silence_is_a_stall(request_for: Invocation) -> None:
    """A silent demo agent is ended by the watchdog, and its session can be resumed."""
    limits = replace(PATIENT, idle_s=0.5)
    quiet = replace(request_for, prompt="Wait.\ndemo: silent 100", limits=limits)
    result, _ = await turn(quiet)
    assert result.failure is not None
    assert result.failure.kind == "stalled"
    resumed, _ = await turn(replace(request_for, prompt="Go on.", resume=result.session_id))
    assert resumed.failure is None


async def test_spawned_tool_is_ended_with_the_turn(request_for: Invocation) -> None:
    """A tool that was left running in a session of its own is gone after the turn."""
    seconds = f"{71_000 + uuid.uuid4().int % 9_999}.0"
    result, _ = await turn(replace(request_for, prompt=f"Go.\ndemo: spawn-tool {seconds}"))
    assert result.failure is None
    running = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", seconds] not in running


@pytest.mark.parametrize(
    ("changes", "tools"),
    [
        ({"tools": ()}, ()),
        ({"tools": ("Read",)}, (("read_file", True),)),
        ({"limits": replace(PATIENT, max_turns=2)}, (("list_files", True),)),
        ({"limits": replace(PATIENT, max_turns=1)}, ()),
    ],
)
async def test_tools_and_turns_are_limited(
    request_for: Invocation, changes: dict[str, Any], tools: tuple[tuple[str, bool], ...]
) -> None:
    """It uses only the tools it was given, and each call takes one model turn."""
    result, _ = await turn(replace(request_for, **changes))
    assert (result.failure, result.tools) == (None, tools)


async def test_extra_arguments_are_refused_clearly(request_for: Invocation) -> None:
    """An unknown option is the invocation's fault."""
    result, _ = await turn(replace(request_for, args=("--fast", "yes")))
    assert result.failure is not None
    assert result.failure.kind == "bad_invocation"


def test_child_imports_nothing_of_orchcore() -> None:
    """The child loads its own folder and the standard library, so it starts at once."""
    code = (
        "import sys; sys.argv = [sys.argv[1], '--bad']\n"
        "import runpy\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([n for n, m in sys.modules.items() if getattr(m, '__file__', None)"
        " and ('orchcore' in n or 'site-packages' in m.__file__)])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(PROGRAM)],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = done.stdout.strip("[]\n'").split("', '")
    assert loaded
    assert all(name.startswith("orchcore.agents.demo") for name in loaded)


def parsed(stream: bytes, *, schema: bool = False, **end: Any) -> Replayed:
    parser_of = replace(_BARE, schema=SCHEMA if schema else None)
    return replay(stream, adapter=DemoAdapter(), asked=parser_of, **end)


_BARE = Invocation("demo", "demo", "", Path("/w"), Path("/w"), Path("/w"), "x")
GOOD = {"type": "result", "ok": True, "text": "hi", "answer": None}


@pytest.mark.parametrize(
    ("stream", "end", "kind"),
    [
        (lines(GOOD), {"exit_code": 1}, "crashed"),
        (lines(GOOD), {"exit_code": -9}, "crashed"),
        (lines(GOOD), {"ended_by_us": True}, "cancelled"),
        (lines(GOOD) + b'{"ty', {}, "truncated"),
        (b"", {}, "truncated"),
        (lines({"type": "result"}), {}, "protocol"),
        (lines({"type": "result", "ok": True}), {}, "empty_output"),
        (b"noise\n" + lines({"type": "new"}), {}, "truncated"),
    ],
)
def test_contradicted_success_is_a_failure(
    stream: bytes, end: dict[str, Any], kind: FailureKind
) -> None:
    """A final event that says success is believed only if nothing speaks against it."""
    failure = parsed(stream, **end).result.failure
    assert failure is not None
    assert failure.kind == kind


def test_tool_end_tells_a_denial() -> None:
    """A denied tool call is told as one."""
    line = {"type": "tool_end", "id": "1", "name": "shell", "ok": False, "denied": True}
    assert parsed(lines(line)).of(ToolEnded) == [ToolEnded("1", "shell", ok=False, denied=True)]


@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from(["session", "thinking", "text", "tool_start", "tool_end", "usage"]).map(
            lambda kind: json.dumps({"type": kind, "text": 3, "usage": []}).encode()
        )
    )
)
def test_anything_may_be_printed(printed: list[bytes]) -> None:
    """No bytes raise, and without a result line nothing is a success."""
    assert parsed(b"\n".join(printed)).result.failure is not None
