"""The real Gemini CLI against a fake model server on loopback, with a home of its own."""

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

from fake_models.gemini_server import FakeGemini, GenerateContent
from fake_models.model_server import running
from fake_models.scenarios import Asked, Reply
from orchcore.agents.adapters.gemini import GeminiAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import AgentEvent, FinalGiven, SessionStarted, ToolEnded, ToolStarted
from orchcore.policies import Permission, TurnLimits
from orchcore.results import FailureKind, TurnResult, Usage

PROGRAM = os.environ.get("ORCHCORE_REAL_GEMINI") or shutil.which("gemini")

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.skipif(PROGRAM is None, reason="no gemini in ORCHCORE_REAL_GEMINI or PATH"),
]


@dataclass(slots=True)
class BreakingWire(GenerateContent):
    """Says something else and breaks off, as long as its server has breaks left."""

    server: "BreakingGemini"

    def events(self, asked: Asked, reply: Reply) -> list[str]:
        if asked.helper or not self.server.breaks:
            return GenerateContent.events(self, asked, reply)
        self.server.breaks -= 1
        return GenerateContent.events(self, asked, Reply("A reply that breaks off"))[:-1]


class BreakingGemini(FakeGemini):
    """Breaks off the next *breaks* replies."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks = 0

    def wire_of(self, path: str) -> GenerateContent | None:
        return None if super().wire_of(path) is None else BreakingWire(self)


@dataclass(frozen=True, slots=True)
class Gemini:
    """Runs turns of the real CLI."""

    server: BreakingGemini
    folder: Path

    async def turn(self, prompt: str, **changes: Any) -> tuple[TurnResult, list[AgentEvent]]:
        turn_folder = self.folder / uuid.uuid4().hex
        turn_folder.mkdir()
        invocation = Invocation(
            agent="gemini",
            adapter="gemini",
            prompt=prompt,
            cwd=self.folder / "work",
            folder=turn_folder,
            session_folder=self.folder / "run",
            new_session_id=str(uuid.uuid4()),
            program=PROGRAM,
            model="gemini-2.5-flash",
            limits=TurnLimits(timeout_s=60, idle_s=50),
        )
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GOOGLE_GEMINI_BASE_URL": self.server.url,
            "GEMINI_API_KEY": "dummy",
        }
        events: list[AgentEvent] = []
        runner = LocalTurnRunner({"gemini": GeminiAdapter()}, Trees(), environ)
        result = await runner.run(replace(invocation, **changes), events.append)
        assert _left_behind(turn_folder) == []
        return result, events

    def set(self, attempts: int, project: str = ".") -> None:
        """Writes settings: how often the CLI tries, and a login that takes an address."""
        folder = self.folder / project / ".gemini"
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "general": {"maxAttempts": attempts, "enableAutoUpdate": False},
            "privacy": {"usageStatisticsEnabled": False},
        }
        (folder / "settings.json").write_text(json.dumps(settings))


def _left_behind(turn_folder: Path) -> list[str]:
    """Processes that know the turn's folder from their environment."""
    left: list[str] = []
    for process in psutil.process_iter():
        try:
            if str(turn_folder) in " ".join(process.environ().values()):
                left.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return left


@pytest.fixture
def gemini(tmp_path: Path) -> Iterator[Gemini]:
    with running(BreakingGemini()) as server:
        (tmp_path / "work").mkdir()
        found = Gemini(server, tmp_path)
        found.set(attempts=1)
        yield found


async def test_text(gemini: Gemini) -> None:
    """A plain turn gives text, the chosen session id and tokens."""
    session_id = str(uuid.uuid4())
    result, events = await gemini.turn("PROMPT hello", new_session_id=session_id)
    assert result.failure is None
    assert result.text == "Hello from the fake model. Prompts seen: 1."
    assert result.session_id == session_id
    assert result.usage == Usage(100, 17, 30)
    assert result.models == {"gemini-2.5-flash": Usage(100, 17, 30)}
    assert (result.unknown_events, result.malformed_lines, result.warnings) == (0, 0, ())
    assert isinstance(events[0], SessionStarted)
    assert events[-1] == FinalGiven(ok=True)
    assert len(gemini.server.bodies) == 1


async def test_large_prompt(gemini: Gemini) -> None:
    """A prompt of 3 MB arrives whole."""
    prompt = "PROMPT " + "word " * 600_000 + "the end"
    result, _ = await gemini.turn(prompt)
    assert result.failure is None
    assert "word the end" in json.dumps(gemini.server.bodies)


async def test_broken_reply_is_left_out(gemini: Gemini) -> None:
    """A try that broke off is no part of the answer; three of them are none either."""
    gemini.set(attempts=4)
    gemini.server.breaks = 1
    result, _ = await gemini.turn("PROMPT hello")
    assert result.failure is None
    assert (result.text, result.warnings) == ("Hello from the fake model. Prompts seen: 1.", ())
    gemini.set(attempts=2)
    gemini.server.breaks = 2
    result, _ = await gemini.turn("PROMPT hello")
    assert result.failure is not None
    assert (result.failure.kind, result.text, result.exit_code) == ("connection", "", 0)


async def test_tool_call(gemini: Gemini) -> None:
    """With full permission a shell command runs."""
    result, events = await gemini.turn("PROMPT scenario=tool", permission="full")
    assert result.failure is None
    assert result.tools == (("run_shell_command", True),)
    started = [event for event in events if isinstance(event, ToolStarted)]
    assert [call.summary for call in started] == ["echo hi"]
    assert result.text == "Done. The tool said what I expected."


async def test_huge_tool_output(gemini: Gemini) -> None:
    """1.5 MB on one line lose nothing, though the CLI exits with output still queued."""
    result, events = await gemini.turn("PROMPT scenario=big-tool", permission="full")
    assert result.failure is None
    assert result.tools == (("run_shell_command", True),)
    assert events[-1] == FinalGiven(ok=True)
    stdout = next(gemini.folder.glob("*/stdout.jsonl")).read_bytes()
    assert stdout.count(b"a line of output") > 50_000


@pytest.mark.parametrize(
    ("permission", "scenario", "tool", "ok"),
    [
        ("read-only", "write", "write_file", False),
        ("read-only", "tool", "run_shell_command", False),
        ("edit", "write", "write_file", True),
        ("edit", "ask", "run_shell_command", False),
    ],
)
async def test_permission(
    gemini: Gemini, permission: Permission, scenario: str, tool: str, *, ok: bool
) -> None:
    """What is not permitted is denied at once, whatever the user's own settings allow."""
    (gemini.folder / ".gemini" / "policies").mkdir()
    rule = '[[rule]]\ntoolName = "*"\ndecision = "allow"\npriority = 999\n'
    (gemini.folder / ".gemini" / "policies" / "all.toml").write_text(rule)
    result, events = await gemini.turn(f"PROMPT scenario={scenario}", permission=permission)
    assert result.failure is None
    assert result.tools == ((tool, ok),)
    denied = [event.denied for event in events if isinstance(event, ToolEnded)]
    assert denied == [not ok]
    assert (gemini.folder / "work" / "out.txt").exists() is ok
    assert not (gemini.folder / "asked.txt").exists()


async def test_tools(gemini: Gemini) -> None:
    """A list of tools is what is offered; the beginning of a command limits the shell."""
    tools: tuple[str, ...] = ("read_file", "run_shell_command(git diff)")
    result, events = await gemini.turn("PROMPT scenario=tool", permission="full", tools=tools)
    assert result.tools == (("run_shell_command", False),)
    assert [event.denied for event in events if isinstance(event, ToolEnded)] == [True]
    offered = gemini.server.bodies[0]["tools"][0]["functionDeclarations"]
    assert {tool["name"] for tool in offered} == {"read_file", "run_shell_command"}
    tools = ("run_shell_command(echo)",)
    result, _ = await gemini.turn("PROMPT scenario=tool", permission="full", tools=tools)
    assert result.tools == (("run_shell_command", True),)


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("rate-limit", "rate_limited"),
        ("quota", "quota"),
        ("unauthorized", "auth"),
        ("overloaded", "overloaded"),
        ("not-found", "model_not_found"),
        ("refusal", "refused"),
        ("empty", "empty_output"),
        ("cut", "connection"),
    ],
)
async def test_refusals(gemini: Gemini, scenario: str, kind: FailureKind) -> None:
    """What the model server refuses has its kind."""
    result, _ = await gemini.turn(f"PROMPT scenario={scenario}")
    assert result.failure is not None
    assert result.failure.kind == kind
    assert result.text == ""
    if kind == "rate_limited":
        assert result.failure.retry_after_s == 2.0


async def test_resume(gemini: Gemini) -> None:
    """A conversation that exists goes on with its own tokens per turn, in its directory only."""
    first, _ = await gemini.turn("PROMPT one")
    second, _ = await gemini.turn("PROMPT two", resume=first.session_id)
    assert (second.session_id, second.failure) == (first.session_id, None)
    assert second.text.endswith("Prompts seen: 2.")
    assert second.usage == Usage(100, 17, 30)
    asked: list[dict[str, Any]] = [
        {"resume": first.session_id, "cwd": gemini.folder},
        {"resume": str(uuid.uuid4())},
    ]
    for changes in asked:
        lost, _ = await gemini.turn("PROMPT three", **changes)
        assert lost.failure is not None
        assert lost.failure.kind == "session_not_found"


async def test_hermetic(gemini: Gemini) -> None:
    """A hermetic turn reads nothing of the user's home, and can be resumed."""
    (gemini.folder / ".gemini" / "GEMINI.md").write_text("The user's own memory.")
    gemini.set(attempts=1, project="work")
    await gemini.turn("PROMPT one")
    assert "The user's own memory." in json.dumps(gemini.server.bodies)
    gemini.server.bodies.clear()
    first, _ = await gemini.turn("PROMPT one", hermetic=True)
    second, _ = await gemini.turn("PROMPT two", hermetic=True, resume=first.session_id)
    assert (first.failure, second.failure) == (None, None)
    assert second.text.endswith("Prompts seen: 2.")
    assert "The user's own memory." not in json.dumps(gemini.server.bodies)


async def test_bad_argument(gemini: Gemini) -> None:
    """An argument that the CLI does not know is the invocation's fault."""
    result, _ = await gemini.turn("PROMPT", args=("--no-such-flag",))
    assert result.failure is not None
    assert result.failure.kind == "bad_invocation"


async def test_no_login(gemini: Gemini) -> None:
    """Without a login the turn fails as such: here the address has no type of login."""
    (gemini.folder / ".gemini" / "settings.json").unlink()
    result, _ = await gemini.turn("PROMPT")
    assert result.failure is not None
    assert result.failure.kind == "auth"


async def test_prose_where_structure_was_asked(gemini: Gemini) -> None:
    """The CLI takes no schema: an answer that fits none is a plain success here."""
    result, _ = await gemini.turn("PROMPT scenario=no-structure")
    assert (result.failure, result.text) == (None, "I will not give you JSON.")


async def test_stalled_server(gemini: Gemini) -> None:
    """A server that never answers is a stall, and the turn can be cancelled at once."""
    limits = TurnLimits(timeout_s=60, idle_s=2)
    result, _ = await gemini.turn("PROMPT scenario=stall", limits=limits)
    assert result.failure is not None
    assert result.failure.kind in ("stalled", "overloaded")
    assert result.text == ""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await gemini.turn("PROMPT scenario=stall")
    assert [left for turn in gemini.folder.iterdir() for left in _left_behind(turn)] == []
