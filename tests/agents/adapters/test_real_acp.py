"""Real agents that speak ACP, against fake model servers on loopback, with homes of their own."""

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fake_models import openai_server
from fake_models.gemini_server import FakeGemini
from fake_models.model_server import running
from orchcore.agents.adapters.acp import AcpAdapter
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import AgentEvent, FinalGiven, SessionStarted, ToolEnded, ToolStarted
from orchcore.policies import Permission, TurnLimits
from orchcore.results import FailureKind, TurnResult, Usage

PROGRAMS = {
    name: os.environ.get(f"ORCHCORE_REAL_{name.upper()}") or shutil.which(name)
    for name in ("gemini", "copilot", "opencode")
}
WORDS = {"gemini": "--acp", "copilot": "--acp", "opencode": "acp"}
ANSWER = "Hello from the fake model. Prompts seen: 1."

pytestmark = pytest.mark.real_cli


def missing(agent: str) -> pytest.MarkDecorator:
    reason = f"no {agent} in ORCHCORE_REAL_{agent.upper()} or PATH"
    return pytest.mark.skipif(PROGRAMS[agent] is None, reason=reason)


each_agent = pytest.mark.parametrize(
    "agent", [pytest.param(name, marks=missing(name)) for name in PROGRAMS]
)


def gemini(url: str, home: Path) -> dict[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"maxAttempts": 1, "enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (home / ".gemini").mkdir()
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    return {
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "dummy",
        "GEMINI_CLI_NO_RELAUNCH": "true",
    }


def copilot(url: str, cache: Path) -> dict[str, str]:
    return {
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": "sk-dummy",
        "COPILOT_MODEL": "claude-sonnet-4.6",
        "COPILOT_OFFLINE": "true",
        "XDG_CACHE_HOME": str(cache),  # it unpacks 235 MB there
    }


def opencode(url: str, home: Path) -> dict[str, str]:
    del home
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "sk-dummy"},
        "models": {"fake-model": {"name": "Fake"}, "other-model": {"name": "Other"}},
    }
    config = {"model": "fake/fake-model", "autoupdate": False, "provider": {"fake": provider}}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    }


@dataclass(frozen=True, slots=True)
class Real:
    """Runs turns of real agents, each with a home below *folder*."""

    folder: Path
    env: Mapping[str, Callable[[Path], dict[str, str]]]

    async def turn(
        self, agent: str, prompt: str, **changes: Any
    ) -> tuple[TurnResult, list[AgentEvent]]:
        home = self.folder / agent
        if not home.exists():
            (home / "work").mkdir(parents=True)
            (home / "env.json").write_text(json.dumps(self.env[agent](home)))
        turn_folder = home / uuid.uuid4().hex
        turn_folder.mkdir()
        invocation = Invocation(
            agent=agent,
            adapter="acp",
            prompt=prompt,
            cwd=home / "work",
            folder=turn_folder,
            session_folder=home,
            new_session_id=str(uuid.uuid4()),
            argv=(PROGRAMS[agent] or "", WORDS[agent]),
            env=json.loads((home / "env.json").read_text()),
            limits=TurnLimits(timeout_s=90, idle_s=80),
        )
        environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
        events: list[AgentEvent] = []
        runner = LocalTurnRunner({"acp": AcpAdapter()}, Trees(), environ)
        result = await runner.run(replace(invocation, **changes), events.append)
        assert self.left == []
        return result, events

    @property
    def left(self) -> list[str]:
        """Commands of processes that still have one of the homes."""
        found: list[str] = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOME", "").startswith(str(self.folder)):
                    found.append(" ".join(process.cmdline()))
        return found


@pytest.fixture
def real(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    cache = tmp_path_factory.getbasetemp() / "copilot"
    with running(FakeGemini()) as gemini_server, openai_server.serving() as server:
        yield Real(
            tmp_path,
            {
                "gemini": lambda home: gemini(gemini_server.url, home),
                "copilot": lambda _: copilot(server.url, cache),
                "opencode": lambda home: opencode(server.url, home),
            },
        )


@each_agent
async def test_text(real: Real, agent: str) -> None:
    """A plain turn gives text, the session and, where the agent tells them, tokens."""
    result, events = await real.turn(agent, "PROMPT hello")
    assert (result.failure, result.text) == (None, ANSWER)
    assert (result.unknown_events, result.malformed_lines) == (0, 0)
    (started,) = [event for event in events if isinstance(event, SessionStarted)]
    assert started.session_id == result.session_id != ""
    assert started.version
    assert events[-1] == FinalGiven(ok=True)
    assert result.usage == (Usage() if agent == "gemini" else Usage(100, 17, 30))


@each_agent
async def test_tool_call(real: Real, agent: str) -> None:
    """With full permission a shell command runs."""
    result, events = await real.turn(agent, "PROMPT scenario=tool", permission="full")
    assert result.failure is None
    assert result.tools == (("execute", True),)
    (call,) = [event for event in events if isinstance(event, ToolStarted)]
    assert call.summary
    assert result.text == "Done. The tool said what I expected."


@each_agent
@pytest.mark.parametrize("permission", ["read-only", "edit"])
async def test_permission(real: Real, agent: str, permission: Permission) -> None:
    """A write is denied under read-only, quickly, and allowed under edit."""
    result, events = await real.turn(agent, "PROMPT scenario=write", permission=permission)
    allowed = permission == "edit"
    assert result.tools == (("edit", allowed),)
    denied = [event.denied for event in events if isinstance(event, ToolEnded)]
    assert denied == [not allowed]
    assert (real.folder / agent / "work" / "out.txt").exists() is allowed
    if allowed or agent == "gemini":  # the others end their turn at a denial
        assert (result.failure, result.text) == (None, "Done. The tool said what I expected.")
    else:
        assert result.failure is not None
        assert (result.failure.kind, result.text) == ("permission_denied", "")


@each_agent
async def test_resume(real: Real, agent: str) -> None:
    """A conversation goes on, an unknown one is not found, a fork is made where there are any."""
    first, _ = await real.turn(agent, "PROMPT one")
    for file in (real.folder / "gemini").glob(".gemini/tmp/*/chats/session-*.jsonl"):
        # Gemini CLI 0.61 loses a conversation that is loaded in the minute in which it began: the
        # file that it begins for the loaded one has the same name.
        file.rename(file.with_name(f"session-2026-01-01T00-00-{file.name[-13:]}"))
    second, events = await real.turn(agent, "PROMPT two", resume=first.session_id)
    assert (second.failure, second.session_id) == (None, first.session_id)
    assert second.text == "Hello from the fake model. Prompts seen: 2."
    assert [event.kind for event in events].count("session") == 1
    unknown = f"ses_{uuid.uuid4().hex}" if agent == "opencode" else str(uuid.uuid4())
    lost, _ = await real.turn(agent, "PROMPT three", resume=unknown)
    assert lost.failure is not None
    assert lost.failure.kind == "session_not_found"
    forked, _ = await real.turn(agent, "PROMPT four", resume=first.session_id, fork=True)
    if agent == "opencode":
        assert forked.failure is None
        assert forked.text.endswith("Prompts seen: 3.")
        assert forked.session_id not in (None, first.session_id)
    else:
        assert forked.failure is not None
        assert forked.failure.kind == "bad_invocation"


@each_agent
async def test_model(real: Real, agent: str) -> None:
    """A model is chosen where the agent offers a choice; else the turn is refused."""
    model = {"gemini": "gemini-2.5-flash", "opencode": "fake/other-model"}.get(agent, "gpt-5")
    result, events = await real.turn(agent, "PROMPT hello", model=model)
    if agent == "copilot":
        assert result.failure is not None
        assert result.failure.kind == "bad_invocation"
        return
    assert (result.failure, result.text) == (None, ANSWER)
    assert [event.model for event in events if isinstance(event, SessionStarted)] == [model]


@each_agent
@pytest.mark.parametrize(
    ("scenario", "kind"), [("unauthorized", "auth"), ("rate-limit", "rate_limited")]
)
async def test_refusals(real: Real, agent: str, scenario: str, kind: FailureKind) -> None:
    """What the model server refuses has its kind, also where the agent says all is well."""
    result, _ = await real.turn(agent, f"PROMPT scenario={scenario}")
    assert result.failure is not None
    assert (result.failure.kind, result.text) == (kind, "")


@missing("gemini")
async def test_huge_tool_output(real: Real) -> None:
    """A tool's output of 1.5 MB loses nothing."""
    result, events = await real.turn("gemini", "PROMPT scenario=big-tool", permission="full")
    assert result.failure is None
    assert events[-1] == FinalGiven(ok=True)


@each_agent
async def test_stalled_server(real: Real, agent: str) -> None:
    """A server that never answers is a stall; a cancelled turn leaves nothing behind."""
    limits = TurnLimits(timeout_s=60, idle_s=15)
    result, _ = await real.turn(agent, "PROMPT scenario=stall", limits=limits)
    assert result.failure is not None
    # on a busy machine the start of OpenCode takes so much time that it looks alive
    assert result.failure.kind in (("stalled", "timeout") if agent == "opencode" else ("stalled",))
    assert result.text == ""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(6):
            await real.turn(agent, "PROMPT scenario=stall")
    assert real.left == []


@missing("gemini")
async def test_unknown_option(real: Real) -> None:
    """A command line that the agent does not know is the invocation's fault."""
    result, _ = await real.turn("gemini", "PROMPT", args=("--no-such-flag",))
    assert result.failure is not None
    assert result.failure.kind == "bad_invocation"
