"""The bridge with a scripted agent, through the runner and the adapter: real processes."""

import asyncio
import json
import os
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchcore.agents.adapters.acp import PROGRAM, AcpAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import (
    AgentEvent,
    FinalGiven,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import Permission, TurnLimits
from orchcore.results import FailureKind, TurnResult, Usage

AGENT = Path(__file__).with_name("acp_agent.py")


@dataclass(frozen=True, slots=True)
class Scene:
    """Runs turns of the scripted agent."""

    folder: Path
    heard: list[AgentEvent] = field(default_factory=list[AgentEvent])

    async def turn(self, *words: str, **changes: Any) -> TurnResult:
        turn_folder = self.folder / uuid.uuid4().hex
        turn_folder.mkdir()
        invocation = Invocation(
            agent="scripted",
            adapter="acp",
            prompt="do it",
            cwd=self.folder,
            folder=turn_folder,
            session_folder=self.folder,
            new_session_id=str(uuid.uuid4()),
            argv=(sys.executable, "-S", str(AGENT), *words),
            limits=TurnLimits(timeout_s=50, idle_s=40, term_grace_s=0.5),
        )
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KEY": "k", "OTHER": "o"}
        runner = LocalTurnRunner({"acp": AcpAdapter()}, Trees(), environ)
        result = await runner.run(replace(invocation, **changes), self.heard.append)
        assert left_behind(self.folder) == []
        return result

    async def failure_kind(self, *words: str, **changes: Any) -> FailureKind:
        result = await self.turn(*words, **changes)
        assert result.failure is not None, result
        assert result.text == ""
        return result.failure.kind

    def of[T](self, kind: type[T]) -> list[T]:
        return [event for event in self.heard if isinstance(event, kind)]


def left_behind(folder: Path) -> list[str]:
    """Processes that have this home."""
    found: list[str] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("HOME") == str(folder):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_text(scene: Scene) -> None:
    """A plain turn gives text, thoughts, the session's id and tokens; it works in its folder."""
    result = await scene.turn("text", prompt="say 'ü'\n")
    assert result.failure is None
    assert result.text == f"Hello from \"say 'ü'\\n\" in {scene.folder}"
    assert result.session_id == "session-1"
    assert result.usage == Usage(10, 4, 3)
    assert result.exit_code == 0
    assert scene.of(SessionStarted) == [SessionStarted("session-1", None, "1.2")]
    assert scene.of(ThinkingWritten) == [ThinkingWritten("thinking", partial=True)]
    assert [event.partial for event in scene.of(TextWritten)] == [True, True]
    assert scene.heard[-1] == FinalGiven(ok=True)


async def test_large_prompt(scene: Scene) -> None:
    """A prompt of 3 MB arrives whole."""
    result = await scene.turn("text", prompt="word " * 600_000 + "end")
    assert result.failure is None
    assert f"word end' in {scene.folder}" in result.text


async def test_environment(scene: Scene) -> None:
    """The agent has the agent's variables, and nothing of the bridge's."""
    result = await scene.turn("env", pass_env=("KEY",), env={"ORCHCORE_ACP_AUTH": "key"})
    names = result.text.split()
    assert {"PATH", "HOME", "KEY"} <= set(names)
    assert not {"OTHER", "ORCHCORE_ACP_AUTH"} & set(names)


async def test_last_words_behind_the_answer(scene: Scene) -> None:
    """Updates that come a moment after the prompt's answer belong to it."""
    assert (await scene.turn("late")).text == "late"


KINDS = ("read", "search", "fetch", "think", "edit", "delete", "move", "execute", "other", "new")
LOOKING, EDITING = 4, 7


@pytest.mark.parametrize(
    ("permission", "allowed"), [("read-only", LOOKING), ("edit", EDITING), ("full", len(KINDS))]
)
async def test_permission(scene: Scene, permission: Permission, allowed: int) -> None:
    """What the agent asks is answered from the permission, for one call only."""
    kinds = KINDS[: allowed + 2]  # each denial is of another kind, so none ends the turn
    result = await scene.turn("ask", *kinds, permission=permission)
    outcomes = ["yes" if place < allowed else "no" for place in range(len(kinds))]
    assert (result.failure, result.text) == (None, " ".join(outcomes))
    started = [(event.name, event.summary, bool(event.digest)) for event in scene.of(ToolStarted)]
    assert started == [(kind, f"to {kind} it", True) for kind in kinds]
    assert scene.of(ToolEnded) == [
        ToolEnded(f"call-{kind}", kind, ok=outcome == "yes", denied=outcome == "no")
        for kind, outcome in zip(kinds, outcomes, strict=True)
    ]


@pytest.mark.parametrize("kind", ["move", "execute", "switch_mode", "other"])
async def test_read_only(scene: Scene, kind: str) -> None:
    """What is more than looking is denied under read-only."""
    assert (await scene.turn("ask", kind)).text == "no"


async def test_permission_without_a_kind(scene: Scene) -> None:
    """A call of no known kind runs under full only; an announced one keeps its kind."""
    assert (await scene.turn("ask")).text == "no"
    assert (await scene.turn("ask_of_before")).text == "yes"


@pytest.mark.parametrize("kind", ["read", "edit"])
async def test_permission_without_options(scene: Scene, kind: str) -> None:
    """Where no option says yes or no, the call is cancelled: that is a denial."""
    result = await scene.turn("no_options", kind)
    assert (result.failure, result.text) == (None, "cancelled")
    assert [event.denied for event in scene.of(ToolEnded)] == [True]


async def test_nagging_ends(scene: Scene) -> None:
    """An agent that asks again and again is ended, and never hangs."""
    assert await scene.failure_kind("nag") == "permission_denied"


@pytest.mark.parametrize("words", [("unasked",), ("unasked", "quick")])
async def test_editing_unasked(scene: Scene, words: tuple[str, ...]) -> None:
    """An agent that edits without asking is stopped under read-only, and is no success."""
    result = await scene.turn(*words)
    assert result.failure is not None
    assert result.failure.kind == "permission_denied"
    assert "without asking" in result.failure.detail
    edited = await scene.turn("unasked", "quick", permission="edit")
    assert (edited.failure, edited.text) == (None, "done")


async def test_nothing_is_offered(scene: Scene) -> None:
    """Files, terminals and questions to the user are refused as methods that are not there."""
    assert (await scene.turn("offers")).text == "-32601 -32601 -32601"


async def test_strange_messages(scene: Scene) -> None:
    """Unknown notifications and malformed lines are counted, and nothing breaks."""
    result = await scene.turn("strange")
    assert (result.failure, result.text) == (None, "fine")
    assert (result.unknown_events, result.malformed_lines) == (2, 5)


async def test_huge_lines(scene: Scene) -> None:
    """Lines of 1.5 MB lose nothing; one without an end is cut off."""
    result = await scene.turn("huge", permission="full")
    assert result.failure is None
    assert len(result.text) == 1_500_000
    assert await scene.failure_kind("endless_line") == "output_limit"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("max_tokens", "output_limit"),
        ("max_turn_requests", "turn_limit"),
        ("refusal", "refused"),
        ("cancelled", "cancelled"),
        ("new_reason", "protocol"),
    ],
)
async def test_stop_reasons(scene: Scene, reason: str, kind: FailureKind) -> None:
    """Any end but the good one is a failure."""
    assert await scene.failure_kind("stop", reason) == kind


async def test_errors_of_the_prompt(scene: Scene) -> None:
    """An error has its kind and its times."""
    error = {"code": -32603, "message": "Internal error", "data": {"details": "429 Too many"}}
    assert await scene.failure_kind("fail", json.dumps(error)) == "rate_limited"


async def test_crashes(scene: Scene) -> None:
    """An agent that goes away in the middle is no success, however it goes."""
    result = await scene.turn("crash")
    assert result.failure is not None
    assert result.failure.kind == "crashed"
    assert "-11" in result.failure.detail
    assert "Segmentation fault" in result.failure.detail
    assert (result.truncated, result.session_id) == (True, "session-1")
    assert await scene.failure_kind("leave") == "truncated"
    assert await scene.failure_kind("close") == "crashed"
    began_s = time.monotonic()
    assert await scene.failure_kind("leave_child") == "crashed"
    assert time.monotonic() - began_s < 20


async def test_silence(scene: Scene) -> None:
    """A silent agent is ended with all its processes; so is one that never says hello."""
    limits = TurnLimits(idle_s=3, term_grace_s=0.3)
    assert await scene.failure_kind("silence", limits=limits) == "stalled"
    assert await scene.failure_kind("text", "mute", limits=limits) == "stalled"


async def test_cancelling(scene: Scene) -> None:
    """A cancelled turn leaves no process behind."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await scene.turn("silence")
    assert left_behind(scene.folder) == []


async def test_agent_that_stays(scene: Scene) -> None:
    """An agent that does not leave when it is done is ended, and its turn counts."""
    result = await scene.turn("stay")
    assert (result.failure, result.text, result.exit_code) == (None, "stubborn", 0)


async def test_resume(scene: Scene) -> None:
    """A conversation goes on as the agent can; what it replays is no part of the turn."""
    loaded = await scene.turn("text", "load", resume="session-1")
    assert (loaded.failure, loaded.session_id) == (None, "session-1")
    assert loaded.text.startswith("Hello from")
    assert scene.of(ToolStarted) == []
    resumed = await scene.turn("model", "resume", resume="session-1")
    assert resumed.text == "model session/resume"
    assert await scene.failure_kind("text", resume="session-1") == "bad_invocation"


async def test_fork(scene: Scene) -> None:
    """A fork has an id of its own, where the agent can; else it is refused."""
    forked = await scene.turn("model", "fork", resume="session-0", fork=True)
    assert (forked.text, forked.session_id) == ("model session/fork", "session-1")
    kind = await scene.failure_kind("text", "load", resume="session-0", fork=True)
    assert kind == "bad_invocation"


async def test_unknown_session(scene: Scene) -> None:
    """A conversation that cannot be opened is not found, before anything was prompted."""
    for error in (
        {"code": -32002, "message": "Resource not found"},
        {"code": -32603, "message": "Internal error: service failure"},
        {"code": -32603, "message": "x", "data": {"details": 'Invalid session identifier "a"'}},
    ):
        words = ("text", "load", "refuse", json.dumps(error))
        assert await scene.failure_kind(*words, resume="session-9") == "session_not_found"
    assert scene.of(SessionStarted) == []


async def test_login(scene: Scene) -> None:
    """An agent that wants a login first is an auth failure; a way to log in can be named."""
    error = json.dumps({"code": -32000, "message": "Nope"})
    assert await scene.failure_kind("text", "refuse", error) == "auth"
    logged_in = await scene.turn("text", env={"ORCHCORE_ACP_AUTH": "key"})
    assert logged_in.failure is None
    assert await scene.failure_kind("text", env={"ORCHCORE_ACP_AUTH": "other"}) == "auth"


async def test_model(scene: Scene) -> None:
    """A model is chosen as the agent offers it; one that cannot be chosen is refused."""
    option = await scene.turn("model", "option", model="m2")
    assert option.text == "model session/set_config_option m2"
    models = await scene.turn("model", "models", model="m2")
    assert models.text == "model session/set_model m2"
    assert [event.model for event in scene.of(SessionStarted)] == ["m2", "m2"]
    assert await scene.failure_kind("model", model="m2") == "bad_invocation"
    assert await scene.failure_kind("model", "option", model="nonsense") == "model_not_found"
    plain = await scene.turn("text", "option")
    assert plain.models == {"m1": Usage(10, 4, 3)}


async def test_that_it_cannot_start(scene: Scene) -> None:
    """A program that is not there, has no such option or speaks another version has its kind."""
    assert await scene.failure_kind(argv=("no-such-agent", "--acp")) == "not_installed"
    assert await scene.failure_kind(argv=(str(AGENT),)) == "bad_invocation"  # not executable
    assert await scene.failure_kind("text", "unknown-option") == "bad_invocation"
    assert await scene.failure_kind("text", "version") == "protocol"


async def test_without_the_library(scene: Scene) -> None:
    """Where the extra is not installed the turn fails before the agent starts."""
    argv = (sys.executable, "-I", "-S", str(PROGRAM), "--cwd", "/", "--permission", "full", "--")
    bridge = await asyncio.create_subprocess_exec(
        *argv, "touch", str(scene.folder / "started"), stdin=-3, stdout=-1
    )
    out, _ = await bridge.communicate()
    assert json.loads(out)["reason"] == "library"
    assert bridge.returncode == 1
    assert not (scene.folder / "started").exists()
