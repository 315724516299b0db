"""The real Copilot CLI against fake model servers on loopback, with a home of its own."""

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fake_models import anthropic_server, openai_server
from fake_models.model_server import ModelServer
from orchcore.agents.adapters.copilot import CopilotAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits
from orchcore.results import Failure, FailureKind, TurnResult, Usage

PROGRAM = os.environ.get("ORCHCORE_REAL_COPILOT") or shutil.which("copilot")
MODEL = "claude-sonnet-4.6"

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.skipif(PROGRAM is None, reason="no copilot in ORCHCORE_REAL_COPILOT or PATH"),
]


@dataclass(frozen=True, slots=True)
class Copilot:
    """Runs turns of the real CLI."""

    server: ModelServer
    folder: Path
    environ: dict[str, str]

    async def turn(self, prompt: str, **changes: Any) -> tuple[TurnResult, list[AgentEvent]]:
        turn_folder = self.folder / uuid.uuid4().hex
        turn_folder.mkdir()
        self.work.mkdir(exist_ok=True)
        invocation = Invocation(
            agent="copilot",
            adapter="copilot",
            prompt=prompt,
            cwd=self.work,
            folder=turn_folder,
            session_folder=self.folder / "run",
            new_session_id=str(uuid.uuid4()),
            program=PROGRAM,
            limits=TurnLimits(timeout_s=60, idle_s=50),
        )
        events: list[AgentEvent] = []
        runner = LocalTurnRunner({"copilot": CopilotAdapter()}, Trees(), self.environ)
        return await runner.run(replace(invocation, **changes), events.append), events

    async def failure(self, prompt: str, **changes: Any) -> Failure:
        result, _ = await self.turn(prompt, **changes)
        assert result.failure is not None
        assert result.text == ""
        return result.failure

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


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the program unpacks its 235 MB, once for all tests."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


def environ(server: ModelServer, home: Path, cache: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache),
        "COPILOT_PROVIDER_BASE_URL": f"{server.url}/v1",
        "COPILOT_PROVIDER_API_KEY": "sk-dummy",
        "COPILOT_MODEL": MODEL,
        "COPILOT_OFFLINE": "true",
    }


@pytest.fixture
def copilot(tmp_path: Path, unpacked: Path) -> Iterator[Copilot]:
    """The CLI with a Chat Completions server; nothing of it may be left behind."""
    with openai_server.serving() as server:
        running = Copilot(server, tmp_path, environ(server, tmp_path, unpacked))
        yield running
        assert running.left == []


async def test_text(copilot: Copilot) -> None:
    """A plain turn gives text, the chosen session id and tokens."""
    session_id = str(uuid.uuid4())
    result, events = await copilot.turn("PROMPT hello", new_session_id=session_id)
    assert result.failure is None
    assert result.text == "Hello from the fake model. Prompts seen: 1."
    assert result.session_id == session_id
    assert result.models == {MODEL: result.usage}
    assert result.usage.input_tokens
    assert result.usage.output_tokens
    assert result.cost_usd is None
    assert (result.unknown_events, result.malformed_lines) == (0, 0)
    told = [event for event in events if not isinstance(event, NoticeGiven)]
    assert told[0] == SessionStarted(session_id, MODEL)
    assert told[-1] == FinalGiven(ok=True)
    assert copilot.server.requests["POST /v1/chat/completions"] == 1


async def test_cached_input_is_part_of_the_input(tmp_path: Path, unpacked: Path) -> None:
    """With Anthropic's API, where cached input is told apart, it is counted in; thoughts are told."""
    with anthropic_server.serving() as server:
        told = environ(server, tmp_path, unpacked)
        told |= {"COPILOT_PROVIDER_TYPE": "anthropic", "COPILOT_PROVIDER_BASE_URL": server.url}
        result, events = await Copilot(server, tmp_path, told).turn("PROMPT scenario=thinking")
    assert result.usage == Usage(150, 17, 30)
    assert "thinking" in [event.kind for event in events]


async def test_prompt_is_only_a_prompt(copilot: Copilot) -> None:
    """What would be a command, a file or an option elsewhere, or too long, is a prompt by stdin."""
    prompt = "/help @a !b\n--version PROMPT " + "x" * 200_000
    result, _ = await copilot.turn(prompt, model="another-model")
    assert result.text.endswith("Prompts seen: 1.")
    assert prompt in json.dumps(copilot.server.bodies[-1]).replace("\\n", "\n")
    assert copilot.server.bodies[-1]["model"] == "another-model"


async def test_tool_call(copilot: Copilot) -> None:
    """With full permission a shell command runs."""
    result, events = await copilot.turn("PROMPT scenario=ask", permission="full")
    assert (result.failure, result.tools) == (None, (("bash", True),))
    assert [call.summary for call in events if isinstance(call, ToolStarted)] == [
        "touch ../asked.txt"
    ]
    assert (copilot.folder / "asked.txt").exists()


async def test_huge_tool_output_is_not_lost(copilot: Copilot) -> None:
    """A tool that prints 1.5 MB goes through the stream whole."""
    result, _ = await copilot.turn("PROMPT scenario=big-tool", permission="full")
    assert (result.failure, result.malformed_lines, result.truncated) == (None, 0, False)
    [transcript] = copilot.folder.glob("*/stdout.jsonl")
    assert transcript.stat().st_size > 1_400_000


async def test_read_only_cannot_write(copilot: Copilot) -> None:
    """Read-only offers no tool that writes, edit allows it."""
    async with asyncio.timeout(30):
        result, _ = await copilot.turn("PROMPT scenario=write")
    assert [ok for _, ok in result.tools] == [False]
    assert not (copilot.work / "out.txt").exists()
    offered = [tool["function"]["name"] for tool in copilot.server.bodies[-1]["tools"]]
    assert offered == ["view", "grep", "glob"]
    result, _ = await copilot.turn("PROMPT scenario=write", permission="edit")
    assert result.tools == (("create", True),)
    assert (copilot.work / "out.txt").read_text() == "hi\n"


async def test_edit_cannot_run_any_command(copilot: Copilot) -> None:
    """A command that would need to be asked for is denied at once; a pattern allows it."""
    async with asyncio.timeout(30):
        result, events = await copilot.turn("PROMPT scenario=ask", permission="edit")
    assert result.tools == (("bash", False),)
    assert [event.denied for event in events if isinstance(event, ToolEnded)] == [True]
    assert not (copilot.folder / "asked.txt").exists()
    some = {"tools": ("bash(touch:*)",), "args": ("--add-dir", str(copilot.folder))}
    result, _ = await copilot.turn("PROMPT scenario=ask", permission="edit", **some)
    assert result.tools == (("bash", True),)


async def test_no_tools(copilot: Copilot) -> None:
    """An empty list of tools offers none."""
    result, _ = await copilot.turn("PROMPT", tools=(), permission="full")
    assert result.failure is None
    assert not copilot.server.bodies[-1].get("tools")


TROUBLE: dict[str, FailureKind] = {
    "rate-limit": "rate_limited",
    "unauthorized": "auth",
    "overloaded": "overloaded",
    "not-found": "model_not_found",
    "server-error": "server_error",
    "cut": "connection",
    "empty": "empty_output",
}


async def test_trouble_has_its_kind(copilot: Copilot) -> None:
    """What the model server refuses or breaks off has its kind, after the CLI's own retries.

    They take up to 17 s and cannot be set: all at once. A used-up quota is retried for 60 s.
    """
    async with asyncio.TaskGroup() as group:
        turns = {
            name: group.create_task(copilot.turn(f"PROMPT scenario={name}"), name=name)
            for name in TROUBLE
        }
    results = {name: turn.result()[0] for name, turn in turns.items()}
    failures = {name: result.failure for name, result in results.items()}
    assert {name: told.kind for name, told in failures.items() if told} == TROUBLE
    assert {result.text for result in results.values()} == {""}
    limited = failures["rate-limit"]
    assert limited is not None
    assert limited.retry_after_s == 2.0
    retries = [
        event for event in turns["rate-limit"].result()[1] if isinstance(event, RetryNoticed)
    ]
    assert retries[0] == RetryNoticed("429 rate_limit", 1, 2.0)
    pieces = [event for event in turns["cut"].result()[1] if isinstance(event, TextWritten)]
    assert pieces
    assert all(piece.partial for piece in pieces)


async def test_refusal_looks_like_an_answer(copilot: Copilot) -> None:
    """A model that stops in its vendor's way of refusing is not told from one that answers."""
    result, _ = await copilot.turn("PROMPT scenario=refusal")
    assert result.failure is None or result.failure.kind in ("refused", "empty_output")


async def test_resume_elsewhere(copilot: Copilot) -> None:
    """A conversation goes on in another directory; its tokens are those of the turn alone."""
    first, _ = await copilot.turn("PROMPT one")
    other = copilot.folder / "other"
    other.mkdir()
    resumed = {"resume": first.session_id, "cwd": other}
    second, _ = await copilot.turn("PROMPT two", **resumed, spent_before=first.usage)
    assert (second.failure, second.session_id) == (None, first.session_id)
    assert second.text.endswith("Prompts seen: 2.")
    assert second.usage == first.usage
    third, _ = await copilot.turn("PROMPT three", **resumed)
    assert third.text.endswith("Prompts seen: 3.")
    assert third.usage == Usage()


async def test_hermetic_shuts_the_user_out(copilot: Copilot) -> None:
    """The user's own instructions are not read, the session goes on within the run."""
    home = copilot.folder / ".copilot"
    home.mkdir()
    (home / "copilot-instructions.md").write_text("USERS-OWN-WORDS")
    first, _ = await copilot.turn("PROMPT one", hermetic=True)
    assert "USERS-OWN-WORDS" not in json.dumps(copilot.server.bodies)
    second, _ = await copilot.turn("PROMPT two", hermetic=True, resume=first.session_id)
    assert second.text.endswith("Prompts seen: 2.")
    await copilot.turn("PROMPT three")
    assert "USERS-OWN-WORDS" in json.dumps(copilot.server.bodies[-1])
    unpacked = sum(file.stat().st_size for file in (copilot.folder / "run").rglob("*"))
    assert unpacked < 5_000_000


async def test_wrong_beginnings(copilot: Copilot) -> None:
    """An unknown session, an unknown argument, no prompt and no login are told apart."""
    bare = {name: copilot.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME")}
    wrong: tuple[tuple[FailureKind, Coroutine[Any, Any, Failure]], ...] = (
        ("session_not_found", copilot.failure("PROMPT", resume=str(uuid.uuid4()))),
        ("bad_invocation", copilot.failure("PROMPT", args=("--no-such-flag",))),
        ("bad_invocation", copilot.failure("")),
        ("auth", replace(copilot, environ=bare).failure("PROMPT")),
    )
    async with asyncio.TaskGroup() as group:
        turns = [(kind, group.create_task(turn, name=kind)) for kind, turn in wrong]
    assert [turn.result().kind for _, turn in turns] == [kind for kind, _ in turns]


async def test_stalled_server_and_resume(copilot: Copilot) -> None:
    """A server that falls silent is a stall, and the same session can be asked again."""
    limits = TurnLimits(timeout_s=60, idle_s=3)
    result, _ = await copilot.turn("PROMPT scenario=stall", limits=limits)
    assert result.failure is not None
    assert result.failure.kind in ("stalled", "overloaded")
    assert copilot.left == []
    again, _ = await copilot.turn("PROMPT scenario=text", resume=result.session_id)
    assert again.text.endswith("Prompts seen: 2.")


async def test_cancelled_turn_leaves_nothing(copilot: Copilot) -> None:
    """Wrapper, worker and a tool in a session of its own are gone when a turn is cancelled."""
    async with asyncio.TaskGroup() as group:
        turn = group.create_task(
            copilot.turn("PROMPT scenario=slow-tool", permission="full"), name="turn"
        )
        for _ in range(300):
            await asyncio.sleep(0.1)
            if any(command.startswith("sleep 300") for command in copilot.left):
                break
        assert len(copilot.left) >= 3
        turn.cancel()
    assert turn.cancelled()
    assert copilot.left == []
