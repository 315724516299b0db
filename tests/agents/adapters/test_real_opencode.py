"""The real OpenCode against a fake model server on loopback, with a home of its own.

1.18.33 tries a request six times whatever its settings, 62 s in all, unless the server says when.
"""

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fake_models.model_server import Refusal, Wire, running
from fake_models.openai_chat import ChatCompletions
from fake_models.openai_server import FakeOpenAI
from fake_models.scenarios import BIG_COMMAND
from orchcore.agents.adapters.opencode import OpenCodeAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    SessionStarted,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import FailureKind, TurnResult, Usage

PROGRAM = os.environ.get("ORCHCORE_REAL_OPENCODE") or shutil.which("opencode")

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.skipif(PROGRAM is None, reason="no opencode in ORCHCORE_REAL_OPENCODE or PATH"),
]


class HurriedChat(ChatCompletions):
    """Wants to be asked again at once."""

    def refusal(self, scenario: str) -> Refusal | None:
        refused = super().refusal(scenario)
        if refused is None:
            return None
        return replace(refused, headers={**refused.headers, "retry-after-ms": "1"})


class HurriedOpenAI(FakeOpenAI):
    def wire_of(self, path: str) -> Wire | None:
        return HurriedChat() if path == "/v1/chat/completions" else None


@dataclass(frozen=True, slots=True)
class OpenCode:
    """Runs turns of the real CLI."""

    server: FakeOpenAI
    home: Path
    work: Path

    async def turn(self, prompt: str, **changes: Any) -> tuple[TurnResult, list[AgentEvent]]:
        turn_folder = self.work.parent / uuid.uuid4().hex
        turn_folder.mkdir()
        invocation = Invocation(
            agent="opencode",
            adapter="opencode",
            prompt=prompt,
            cwd=self.work,
            folder=turn_folder,
            session_folder=self.work.parent / "run",
            new_session_id=str(uuid.uuid4()),
            program=PROGRAM,
            model="fake/fake-model",
            env={"OPENCODE_CONFIG_CONTENT": json.dumps(self.config())},
            limits=TurnLimits(timeout_s=60, idle_s=50),
        )
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        events: list[AgentEvent] = []
        runner = LocalTurnRunner({"opencode": OpenCodeAdapter()}, Trees(), environ)
        return await runner.run(replace(invocation, **changes), events.append), events

    def config(self, **changes: Any) -> dict[str, Any]:
        """A provider that is the fake server."""
        limits = {"context": 100000, "output": 4000}
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": self.server.base_url, "apiKey": "sk-dummy"},
            "models": {"fake-model": {"cost": {"input": 1, "output": 10}, "limit": limits}},
        }
        return {"provider": {"fake": provider}, **changes}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: the first start in a new one takes seconds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def opencode(home: Path, tmp_path: Path) -> Iterator[OpenCode]:
    work = tmp_path / "work"
    work.mkdir()
    with running(HurriedOpenAI()) as server:
        yield OpenCode(server, home, work)
    left = [process for process in psutil.process_iter() if _home_of(process) == str(home)]
    assert left == []


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("HOME")
    except psutil.Error:
        return None


async def test_text(opencode: OpenCode) -> None:
    """A plain turn gives text, session, tokens and price, and asks the model once."""
    result, events = await opencode.turn("PROMPT hello " + "ü" * 200_000)
    assert result.failure is None
    assert result.text == "Hello from the fake model. Prompts seen: 1."
    assert result.session_id is not None
    assert result.usage == Usage(100, 17, 30)
    assert result.cost_usd == pytest.approx(0.00024)
    assert (result.unknown_events, result.malformed_lines) == (0, 0)
    assert events[0] == SessionStarted(result.session_id, "fake/fake-model")
    assert events[-1] == FinalGiven(ok=True)
    assert opencode.server.requests == {"POST /v1/chat/completions": 1}


async def test_huge_tool_output(opencode: OpenCode) -> None:
    """With full permission a rule that asks is approved; 1.5 MB of output lose nothing."""
    env = {"OPENCODE_CONFIG_CONTENT": json.dumps(opencode.config(permission={"bash": "ask"}))}
    result, events = await opencode.turn("PROMPT scenario=big-tool", permission="full", env=env)
    assert result.failure is None
    assert result.text == "Done. The tool said what I expected."
    assert (result.tools, result.truncated) == ((("bash", True),), False)
    started = [event for event in events if isinstance(event, ToolStarted)]
    assert [call.summary for call in started] == [BIG_COMMAND]


async def test_read_only_cannot_write(opencode: OpenCode) -> None:
    """Read-only denies a write, whatever the project's configuration says; edit allows it."""
    rules = {"edit": "allow", "*": "allow"}
    hostile = {"permission": rules, "agent": {"build": {"permission": rules}}}
    (opencode.work / "opencode.json").write_text(json.dumps(hostile))
    result, events = await opencode.turn("PROMPT scenario=write")
    assert [event.denied for event in events if isinstance(event, ToolEnded)] == [True]
    assert result.tools == (("write", False),)
    assert not (opencode.work / "out.txt").exists()
    result, _ = await opencode.turn("PROMPT scenario=write", permission="edit")
    assert result.tools == (("write", True),)
    assert (opencode.work / "out.txt").read_text() == "hi\n"


async def test_edit_runs_only_the_commands_that_it_was_given(opencode: OpenCode) -> None:
    """A list of tools may give a shell for some commands; others are denied, and it goes on."""
    only = {"permission": "edit", "tools": ("bash(echo *)",)}
    result, _ = await opencode.turn("PROMPT scenario=tool", **only)
    assert result.tools == (("bash", True),)
    result, events = await opencode.turn("PROMPT scenario=ask", **only)
    assert [event.denied for event in events if isinstance(event, ToolEnded)] == [True]
    assert not (opencode.work.parent / "asked.txt").exists()


async def test_resume_and_fork(opencode: OpenCode) -> None:
    """A conversation goes on; a fork has an id of its own and leaves it as it was."""
    first, _ = await opencode.turn("PROMPT one")
    second, _ = await opencode.turn("PROMPT two", resume=first.session_id)
    assert (second.session_id, second.failure) == (first.session_id, None)
    assert second.text.endswith("Prompts seen: 2.")
    assert second.cost_usd == first.cost_usd
    fork, _ = await opencode.turn("PROMPT fork", resume=first.session_id, fork=True)
    assert fork.session_id not in (None, first.session_id)
    assert fork.text.endswith("Prompts seen: 3.")
    third, _ = await opencode.turn("PROMPT three", resume=first.session_id)
    assert third.text.endswith("Prompts seen: 3.")
    assert opencode.server.requests["POST /v1/chat/completions"] == 4


async def test_hermetic(opencode: OpenCode) -> None:
    """The user's own instructions are not read, the project's are, the login stays."""
    told = {".config/opencode": "USERS", ".claude": "USERS", ".opencode": "USERS"}
    for folder, text in told.items():
        (opencode.home / folder).mkdir(parents=True, exist_ok=True)
        (opencode.home / folder / "AGENTS.md").write_text(text)
    (opencode.work / "AGENTS.md").write_text("PROJECTS")
    for hermetic in (False, True):
        result, _ = await opencode.turn("PROMPT", hermetic=hermetic)
        assert result.failure is None
    asked = [json.dumps(body) for body in opencode.server.bodies]
    assert ["USERS" in body for body in asked] == [True, False]
    assert ["PROJECTS" in body for body in asked] == [True, True]
    shutil.rmtree(opencode.home / ".config")


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("rate-limit", "rate_limited"),
        ("quota", "quota"),
        ("unauthorized", "auth"),
        ("overloaded", "overloaded"),
        ("refusal", "refused"),
    ],
)
async def test_refusals(opencode: OpenCode, scenario: str, kind: FailureKind) -> None:
    """What the model server refuses has its kind, after the CLI's own retries."""
    result, _ = await opencode.turn(f"PROMPT scenario={scenario}")
    assert result.failure is not None
    assert (result.failure.kind, result.text) == (kind, "")
    if kind == "rate_limited":
        assert result.failure.retry_after_s == 2.0


async def test_unknown_model(opencode: OpenCode) -> None:
    """A model that no provider has is told in the log only."""
    result, _ = await opencode.turn("PROMPT", model="fake/none")
    assert result.failure is not None
    assert result.failure.kind == "model_not_found"


async def test_unknown_session(opencode: OpenCode) -> None:
    """A conversation that does not exist is a failure of its own kind."""
    result, _ = await opencode.turn("PROMPT", resume="ses_000000000000000000000000000")
    assert result.failure is not None
    assert (result.failure.kind, result.failure.detail) == (
        "session_not_found",
        "Error: Session not found",
    )


async def test_bad_argument(opencode: OpenCode) -> None:
    """An argument that the CLI does not know is the invocation's fault."""
    result, _ = await opencode.turn("PROMPT", args=("--no-such-flag",))
    assert result.failure is not None
    assert result.failure.kind == "bad_invocation"


async def test_stalled_server(opencode: OpenCode) -> None:
    """A server that never goes on is a stall, and the turn can be cancelled at once.

    OpenCode's timers use 4 % of a core in some seconds, which so short an ``idle`` takes for work.
    """
    limits = TurnLimits(timeout_s=20, idle_s=4)
    result, _ = await opencode.turn("PROMPT scenario=stall", limits=limits)
    assert result.failure is not None
    assert (result.failure.kind in ("stalled", "timeout"), result.text) == (True, "")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await opencode.turn("PROMPT scenario=stall")


async def test_cut_stream(opencode: OpenCode) -> None:
    """A connection that breaks in mid-answer is tried again for a minute; half an answer is none."""
    limits = TurnLimits(timeout_s=6)
    result, _ = await opencode.turn("PROMPT scenario=cut", limits=limits)
    assert result.failure is not None
    assert (result.failure.kind, result.text) == ("timeout", "")
