"""The real agent CLIs, each with a fake model server and a home of its own."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fake_models import anthropic_server, gemini_server, openai_server
from fake_models.model_server import ModelServer

type Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RealCli:
    """One of them.

    Attributes:
        name: Its own and its adapter's.
        serving: Its vendor's server.
        home: Writes what it needs into a home and gives the variables it needs; the folder that
            comes third is kept for all tests.
        settings: Of the agent, in ``orchcore.toml``.
    """

    name: str
    serving: Callable[[], AbstractContextManager[ModelServer]]
    home: Callable[[ModelServer, Path, Path], Environ]
    settings: str = ""

    @property
    def program(self) -> str | None:
        """Where it is installed, if it is."""
        return os.environ.get(f"ORCHCORE_REAL_{self.name.upper()}") or shutil.which(self.name)


def _claude(server: ModelServer, home: Path, kept: Path) -> Environ:
    del home, kept
    return {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "sk-ant-dummy"}


def _codex(server: ModelServer, home: Path, kept: Path) -> Environ:
    del kept
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(f"""\
model = "gpt-5.5"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "{server.url}/v1"
env_key = "CODEX_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 1
""")
    return {"CODEX_API_KEY": "sk-dummy"}


def _gemini(server: ModelServer, home: Path, kept: Path) -> Environ:
    del kept
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"maxAttempts": 1, "enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (home / ".gemini").mkdir()
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    return {"GOOGLE_GEMINI_BASE_URL": server.url, "GEMINI_API_KEY": "dummy"}


def _copilot(server: ModelServer, home: Path, kept: Path) -> Environ:
    del home
    return {
        "XDG_CACHE_HOME": str(kept),  # where it unpacks its 235 MB
        "COPILOT_PROVIDER_BASE_URL": f"{server.url}/v1",
        "COPILOT_PROVIDER_API_KEY": "sk-dummy",
        "COPILOT_MODEL": "claude-sonnet-4.6",
        "COPILOT_OFFLINE": "true",
    }


def _opencode(server: ModelServer, home: Path, kept: Path) -> Environ:
    del home, kept
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{server.url}/v1", "apiKey": "sk-dummy-key"},
        "models": {"fake-model": {"cost": {"input": 1, "output": 10}}},
    }
    settings = {"provider": {"fake": provider}, "model": "fake/fake-model"}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(settings),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }


CLIS = (
    RealCli(
        "claude",
        anthropic_server.serving,
        _claude,
        'env = {CLAUDE_CODE_MAX_RETRIES = "1", DISABLE_TELEMETRY = "1"}',
    ),
    RealCli("codex", openai_server.serving, _codex),
    RealCli("gemini", gemini_server.serving, _gemini, 'model = "gemini-2.5-flash"'),
    RealCli("copilot", openai_server.serving, _copilot),
    RealCli("opencode", openai_server.serving, _opencode),
)
