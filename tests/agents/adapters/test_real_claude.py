"""The real Claude Code against a fake model server on loopback, with a home of its own."""

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fake_models.anthropic_server import FakeAnthropic, serving
from orchcore.agents.adapters.claude import ClaudeAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    RetryNoticed,
    SessionStarted,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import FailureKind, TurnResult, Usage

PROGRAM = os.environ.get("ORCHCORE_REAL_CLAUDE") or shutil.which("claude")

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.skipif(PROGRAM is None, reason="no claude in ORCHCORE_REAL_CLAUDE or PATH"),
]

SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string"}, "score": {"type": "integer", "minimum": 3}},
    "required": ["verdict", "score"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Claude:
    """Runs turns of the real CLI."""

    server: FakeAnthropic
    folder: Path

    async def turn(self, prompt: str, **changes: Any) -> tuple[TurnResult, list[AgentEvent]]:
        turn_folder = self.folder / uuid.uuid4().hex
        turn_folder.mkdir()
        (self.folder / "work").mkdir(exist_ok=True)
        invocation = Invocation(
            agent="claude",
            adapter="claude",
            prompt=prompt,
            cwd=self.folder / "work",
            folder=turn_folder,
            session_folder=self.folder / "run",
            new_session_id=str(uuid.uuid4()),
            program=PROGRAM,
            env={"CLAUDE_CODE_MAX_RETRIES": "1", "DISABLE_TELEMETRY": "1"},
            limits=TurnLimits(timeout_s=60, idle_s=50),
        )
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ANTHROPIC_BASE_URL": self.server.url,
            "ANTHROPIC_API_KEY": "sk-ant-dummy",
        }
        events: list[AgentEvent] = []
        runner = LocalTurnRunner({"claude": ClaudeAdapter()}, Trees(), environ)
        return await runner.run(replace(invocation, **changes), events.append), events


@pytest.fixture
def claude(tmp_path: Path) -> Iterator[Claude]:
    with serving() as server:
        yield Claude(server, tmp_path)


async def test_text(claude: Claude) -> None:
    """A plain turn gives text, the chosen session id, tokens and a price."""
    session_id = str(uuid.uuid4())
    result, events = await claude.turn("PROMPT hello", new_session_id=session_id)
    assert result.failure is None
    assert result.text == "Hello from the fake model. Prompts seen: 1."
    assert result.session_id == session_id
    assert result.usage == Usage(150, 17, 30)
    assert result.cost_usd
    assert (result.unknown_events, result.malformed_lines) == (0, 0)
    assert isinstance(events[0], SessionStarted)
    assert events[-1] == FinalGiven(ok=True)
    assert claude.server.requests["POST /v1/messages"] == 1


async def test_tool_call(claude: Claude) -> None:
    """With full permission a shell command runs, as root too."""
    result, events = await claude.turn("PROMPT scenario=tool", permission="full")
    assert result.failure is None
    assert result.tools == (("Bash", True),)
    started = [event for event in events if isinstance(event, ToolStarted)]
    assert [call.summary for call in started] == ["echo hi"]


async def test_huge_tool_output(claude: Claude) -> None:
    """A tool that prints 1.5 MB costs neither its end nor the answer."""
    result, _ = await claude.turn("PROMPT scenario=big-tool", permission="full")
    assert (result.failure, result.malformed_lines, result.truncated) == (None, 0, False)
    assert result.tools == (("Bash", True),)


async def test_cut_stream(claude: Claude) -> None:
    """Half an answer of a connection that breaks is none."""
    result, _ = await claude.turn("PROMPT scenario=cut")
    assert result.failure is not None
    assert (result.failure.kind, result.text) == ("connection", "")


async def test_read_only_cannot_write(claude: Claude) -> None:
    """Read-only denies a write, edit allows it."""
    result, events = await claude.turn("PROMPT scenario=write")
    denied = [event.denied for event in events if isinstance(event, ToolEnded)]
    assert denied == [True]
    assert result.tools == (("Write", False),)
    assert not (claude.folder / "work" / "out.txt").exists()
    result, _ = await claude.turn("PROMPT scenario=write", permission="edit")
    assert result.tools == (("Write", True),)
    assert (claude.folder / "work" / "out.txt").read_text() == "hi\n"


async def test_edit_cannot_run_any_command(claude: Claude) -> None:
    """A list of tools without the shell takes the shell away."""
    result, events = await claude.turn("PROMPT scenario=tool", permission="edit", tools=("Read",))
    assert result.tools == (("Bash", False),)
    assert [event.denied for event in events if isinstance(event, ToolEnded)] == [True]


async def test_structured_answer(claude: Claude) -> None:
    """A schema is honoured, and the tool that carries the answer stays out of sight."""
    result, _ = await claude.turn("PROMPT judge the patch", schema=SCHEMA)
    assert result.failure is None
    assert set(json.loads(result.text)) == {"verdict", "score"}
    assert result.answer == json.loads(result.text)
    assert result.tools == ()


async def test_structured_answer_that_is_a_list(claude: Claude) -> None:
    """A schema that is no object, with definitions that refer to themselves, is honoured too."""
    tree = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
        "required": ["name"],
    }
    schema = {"$defs": {"Tree": tree}, "type": "array", "items": {"$ref": "#/$defs/Tree"}}
    result, _ = await claude.turn("PROMPT grow", schema={**schema, "minItems": 2})
    assert result.failure is None
    assert isinstance(result.answer, list)


async def test_missing_structured_answer(claude: Claude) -> None:
    """A model that never gives the structure has failed, although the CLI exits with 0."""
    result, _ = await claude.turn("PROMPT scenario=no-structure", schema=SCHEMA)
    assert result.failure is not None
    assert result.failure.kind == "invalid_output"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("rate-limit", "rate_limited"),
        ("unauthorized", "auth"),
        ("overloaded", "overloaded"),
        ("not-found", "model_not_found"),
        ("server-error", "server_error"),
        ("refusal", "refused"),
    ],
)
async def test_refusals(claude: Claude, scenario: str, kind: FailureKind) -> None:
    """What the model server refuses has its kind, after the CLI's own retries."""
    result, events = await claude.turn(f"PROMPT scenario={scenario}")
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.text == ""
    if kind == "rate_limited":
        assert result.failure.retry_after_s == 2.0
        assert [event.attempt for event in events if isinstance(event, RetryNoticed)] == [1]


async def test_resume_and_fork(claude: Claude) -> None:
    """A conversation goes on with its own price per turn; a fork leaves it as it was."""
    first, _ = await claude.turn("PROMPT one")
    second, _ = await claude.turn("PROMPT two", resume=first.session_id)
    assert (second.session_id, second.failure) == (first.session_id, None)
    assert second.text.endswith("Prompts seen: 2.")
    assert second.cost_usd == pytest.approx(first.cost_usd)
    fork_id = str(uuid.uuid4())
    asked = {"resume": first.session_id, "fork": True, "new_session_id": fork_id}
    fork, _ = await claude.turn("PROMPT three", **asked)
    assert fork.session_id == fork_id
    assert fork.text.endswith("Prompts seen: 3.")
    third, _ = await claude.turn("PROMPT four", resume=first.session_id)
    assert third.text.endswith("Prompts seen: 3.")


async def test_unknown_session(claude: Claude) -> None:
    """A conversation that does not exist is a failure of its own kind."""
    result, _ = await claude.turn("PROMPT", resume=str(uuid.uuid4()))
    assert result.failure is not None
    assert result.failure.kind == "session_not_found"


async def test_turn_limit(claude: Claude) -> None:
    """The limit of model turns ends the turn."""
    limits = TurnLimits(timeout_s=60, max_turns=1)
    result, _ = await claude.turn("PROMPT scenario=tool", permission="full", limits=limits)
    assert result.failure is not None
    assert result.failure.kind == "turn_limit"


async def test_bad_argument(claude: Claude) -> None:
    """An argument that the CLI does not know is the invocation's fault."""
    result, _ = await claude.turn("PROMPT", args=("--no-such-flag",))
    assert result.failure is not None
    assert result.failure.kind == "bad_invocation"


async def test_stalled_server(claude: Claude) -> None:
    """A server that never answers is a stall, and the turn can be cancelled at once."""
    limits = TurnLimits(timeout_s=60, idle_s=2)
    result, _ = await claude.turn("PROMPT scenario=stall", limits=limits)
    assert result.failure is not None
    assert result.failure.kind in ("stalled", "overloaded")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await claude.turn("PROMPT scenario=stall")
