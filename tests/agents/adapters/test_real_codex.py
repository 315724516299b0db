"""The real Codex CLI against a fake model server on loopback, with a home of its own."""

import asyncio
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fake_models.openai_server import FakeOpenAI, serving
from fake_models.scenarios import AFTER_TOOL
from orchcore.agents.adapters.codex import CodexAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    RetryNoticed,
    SessionStarted,
    ThinkingWritten,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import Failure, FailureKind, TurnResult, Usage

PROGRAM = os.environ.get("ORCHCORE_REAL_CODEX") or shutil.which("codex")

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.skipif(PROGRAM is None, reason="no codex in ORCHCORE_REAL_CODEX or PATH"),
]

SHELL, FILE = "command_execution", "file_change"
MODEL = "gpt-5.5"  # a model that Codex knows to take the shell and patches as plain tools
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string"}, "score": {"type": "integer", "minimum": 3}},
    "required": ["verdict"],
}
USER_CONFIG = """
approval_policy = "on-request"
sandbox_mode = "danger-full-access"
model_reasoning_effort = "high"
"""


@dataclass(frozen=True, slots=True)
class Codex:
    """Runs turns of the real CLI."""

    server: FakeOpenAI
    folder: Path

    async def turn(self, prompt: str, **changes: Any) -> tuple[TurnResult, list[AgentEvent]]:
        turn_folder = self.folder / uuid.uuid4().hex
        turn_folder.mkdir()
        self.work.mkdir(exist_ok=True)
        invocation = Invocation(
            agent="codex",
            adapter="codex",
            prompt=prompt,
            cwd=self.work,
            folder=turn_folder,
            session_folder=self.folder / "run",
            new_session_id=str(uuid.uuid4()),
            program=PROGRAM,
            model=MODEL,
            args=self.args,
            pass_env=("FAKE_KEY",),
            limits=TurnLimits(timeout_s=60, idle_s=50),
        )
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "FAKE_KEY": "sk-dummy"}
        events: list[AgentEvent] = []
        runner = LocalTurnRunner({"codex": CodexAdapter()}, Trees(), environ)
        return await runner.run(replace(invocation, **changes), events.append), events

    async def failure(self, prompt: str, **changes: Any) -> Failure:
        result, _ = await self.turn(prompt, **changes)
        assert result.failure is not None
        assert (result.text, result.answer) == ("", None)
        return result.failure

    @property
    def args(self) -> tuple[str, ...]:
        provider = (
            f'{{name="fake", base_url="{self.server.base_url}", env_key="FAKE_KEY", '
            'wire_api="responses", request_max_retries=0, stream_max_retries=1}'
        )
        named = ("-c", 'model_provider="fake"')
        return (*named, "-c", f"model_providers.fake={provider}")

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def left(self) -> list[str]:
        """Commands of processes that still have this home."""
        found: list[str] = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.folder):
                    found.append(" ".join(process.cmdline()))
        return found


@pytest.fixture
def codex(tmp_path: Path) -> Iterator[Codex]:
    with serving() as server:
        running = Codex(server, tmp_path)
        yield running
        assert running.left == []


async def test_text(codex: Codex) -> None:
    """A plain turn gives text, the CLI's session id and tokens; no price and no model."""
    result, events = await codex.turn("PROMPT hello")
    assert result.failure is None
    assert result.text == "Hello from the fake model. Prompts seen: 1."
    assert uuid.UUID(result.session_id)
    assert (result.usage, result.cost_usd) == (Usage(100, 17, 30), None)
    assert (result.unknown_events, result.malformed_lines, result.warnings) == (0, 0, ())
    assert isinstance(events[0], SessionStarted)
    assert events[-1] == FinalGiven(ok=True)
    assert codex.server.requests == {"POST /v1/responses": 1}
    thinking, events = await codex.turn("PROMPT scenario=thinking")
    assert thinking.failure is None
    assert [event.text for event in events if isinstance(event, ThinkingWritten)]


async def test_tool_call(codex: Codex) -> None:
    """A command that only reads runs under read-only, too."""
    result, events = await codex.turn("PROMPT scenario=tool")
    assert (result.failure, result.text) == (None, AFTER_TOOL)
    assert result.tools == ((SHELL, True),)
    started = [event for event in events if isinstance(event, ToolStarted)]
    assert [call.summary for call in started] == ["echo hi"]


async def test_read_only_cannot_write(codex: Codex) -> None:
    """Read-only refuses a patch and says so, edit and full allow it."""
    began = time.monotonic()
    result, _ = await codex.turn("PROMPT scenario=write")
    assert time.monotonic() - began < 30
    assert (result.failure, result.tools) == (None, ())
    assert ["patch rejected" in warning for warning in result.warnings] == [True]
    written = codex.work / "out.txt"
    assert not written.exists()
    for permission in ("edit", "full"):
        result, _ = await codex.turn("PROMPT scenario=write", permission=permission)
        assert (result.tools, result.warnings) == (((FILE, True),), ())
        assert written.read_text() == "hi\n"
        written.unlink()


async def test_nobody_is_asked(codex: Codex) -> None:
    """A call that wants an approval is refused, whatever the user's configuration says."""
    (codex.folder / ".codex").mkdir()
    (codex.folder / ".codex" / "config.toml").write_text(USER_CONFIG)
    for session in ({}, {"permission": "edit"}):
        result, _ = await codex.turn("PROMPT scenario=ask", **session)
        assert result.failure is None
        assert ["approval policy is Never" in warning for warning in result.warnings] == [True]
    assert not (codex.folder / "asked.txt").exists()


async def test_hermetic(codex: Codex) -> None:
    """The user's config.toml is read, and is not read when hermetic."""
    (codex.folder / ".codex").mkdir()
    (codex.folder / ".codex" / "config.toml").write_text(USER_CONFIG)
    await codex.turn("PROMPT hello")
    await codex.turn("PROMPT hello", hermetic=True)
    assert [body["reasoning"]["effort"] for body in codex.server.bodies] == ["high", "medium"]


async def test_large_tool_output(codex: Codex) -> None:
    """A command that prints 1.5 MB is one long line, read whole."""
    result, _ = await codex.turn("PROMPT scenario=big-tool")
    assert (result.failure, result.text) == (None, AFTER_TOOL)
    assert (result.tools, result.malformed_lines) == (((SHELL, True),), 0)
    transcripts = list(codex.folder.glob("*/stdout.jsonl"))
    assert [path.stat().st_size > 1_000_000 for path in transcripts] == [True]


async def test_structured_answer(codex: Codex) -> None:
    """A schema is sent as strict mode wants it, and the answer is read."""
    result, _ = await codex.turn("PROMPT judge the patch", schema=SCHEMA)
    assert result.failure is None
    assert set(json.loads(result.text)) == {"verdict", "score"}
    assert result.answer == json.loads(result.text)
    sent = codex.server.bodies[0]["text"]["format"]
    assert (sent["strict"], sent["schema"]["required"]) == (True, ["verdict", "score"])


async def test_structured_answer_that_is_a_list(codex: Codex) -> None:
    """A schema that is no object travels in a box, one that cannot be strict in the prompt."""
    tree: dict[str, Any] = {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    }
    boxed = {"$defs": {"Tree": tree}, "type": "array", "items": {"$ref": "#/$defs/Tree"}}
    result, _ = await codex.turn("PROMPT grow", schema=boxed)
    assert result.failure is None
    assert isinstance(result.answer, list)
    free = {"type": "object", "additionalProperties": {"type": "integer"}}
    result, _ = await codex.turn("PROMPT count", schema=free)
    assert "format" not in codex.server.bodies[-1]["text"]
    assert "valid for this JSON schema" in str(codex.server.bodies[-1]["input"])
    assert result.failure is None or result.failure.kind == "invalid_output"


async def test_missing_structured_answer(codex: Codex) -> None:
    """A model that gives prose has failed, although the CLI exits with 0."""
    result, _ = await codex.turn("PROMPT scenario=no-structure", schema=SCHEMA)
    assert result.failure is not None
    assert (result.failure.kind, result.exit_code) == ("invalid_output", 0)


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("rate-limit", "rate_limited"),
        ("quota", "quota"),
        ("unauthorized", "auth"),
        ("overloaded", "overloaded"),
        ("not-found", "model_not_found"),
        ("server-error", "overloaded"),  # a 500 is "experiencing high demand" to Codex
        ("refusal", "refused"),
        ("empty", "empty_output"),
        ("cut", "connection"),
    ],
)
async def test_refusals(codex: Codex, scenario: str, kind: FailureKind) -> None:
    """What the model server refuses has its kind, after the CLI's own retries."""
    result, events = await codex.turn(f"PROMPT scenario={scenario}")
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.text == ""
    if kind == "rate_limited":  # it waits as told, and tells no time itself
        assert [event.attempt for event in events if isinstance(event, RetryNoticed)] == [1]
    if kind == "quota":
        assert result.failure.resets_at is not None
        assert 3480 < result.failure.resets_at - time.time() <= 3600


async def test_resume_and_fork(codex: Codex) -> None:
    """A conversation goes on from anywhere with its own tokens; a fork leaves it as it was."""
    spent = Usage(100, 17, 30)
    first, _ = await codex.turn("PROMPT one")
    elsewhere = codex.folder / "elsewhere"
    elsewhere.mkdir()
    asked: dict[str, Any] = {"resume": first.session_id, "spent_before": spent}
    second, _ = await codex.turn("PROMPT two", **asked, cwd=elsewhere)
    assert (second.failure, second.session_id) == (None, first.session_id)
    assert second.text.endswith("Prompts seen: 2.")
    assert second.usage == spent
    twice = Usage(200, 34, 60)
    fork, _ = await codex.turn("PROMPT three", **{**asked, "fork": True, "spent_before": twice})
    assert fork.session_id != first.session_id
    assert fork.text.endswith("Prompts seen: 3.")
    assert fork.usage == spent
    third, _ = await codex.turn("PROMPT four", **{**asked, "spent_before": None})
    assert third.text.endswith("Prompts seen: 3.")
    assert third.usage == Usage()


async def test_resumed_turn_keeps_to_its_permission(codex: Codex) -> None:
    """Permission, schema and working directory are each turn's own, resumed or forked."""
    first, _ = await codex.turn("PROMPT one", permission="full")
    for fork in (False, True):
        asked: dict[str, Any] = {"resume": first.session_id, "fork": fork}
        refused, _ = await codex.turn("PROMPT scenario=write", **asked)
        assert (refused.failure, refused.tools) == (None, ())
        assert not (codex.work / "out.txt").exists()
        allowed, _ = await codex.turn("PROMPT scenario=write", **asked, permission="edit")
        assert allowed.tools == ((FILE, True),)
        (codex.work / "out.txt").unlink()
        structured, _ = await codex.turn("PROMPT scenario=structured", **asked, schema=SCHEMA)
        assert isinstance(structured.answer, dict)


async def test_unknown_session(codex: Codex) -> None:
    """A conversation that does not exist is a failure of its own kind."""
    for fork in (False, True):
        failure = await codex.failure("PROMPT", resume=str(uuid.uuid4()), fork=fork)
        assert failure.kind == "session_not_found"


@pytest.mark.parametrize("args", [("--no-such-flag",), ("-c", 'sandbox_mode="bogus"')])
async def test_bad_argument(codex: Codex, args: tuple[str, ...]) -> None:
    """An argument or a setting that the CLI does not know is the invocation's fault."""
    failure = await codex.failure("PROMPT", args=(*codex.args, *args))
    assert failure.kind == "bad_invocation"


async def test_missing_key(codex: Codex) -> None:
    """A login that is missing is told by its variable."""
    failure = await codex.failure("PROMPT", pass_env=())
    assert failure.kind == "auth"
    assert "FAKE_KEY" in failure.detail


async def test_stalled_server(codex: Codex) -> None:
    """A server that never answers is a stall, and the turn can be cancelled at once."""
    limits = TurnLimits(timeout_s=60, idle_s=2)
    failure = await codex.failure("PROMPT scenario=stall", limits=limits)
    assert failure.kind in ("stalled", "overloaded")
    assert codex.left == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await codex.turn("PROMPT scenario=stall")
