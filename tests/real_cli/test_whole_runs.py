"""Whole runs of ``orchcore`` with the real Claude Code, against a fake model server on loopback."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_models.anthropic_server import FakeAnthropic, serving
from harness.subreaper import Subreaper

PROGRAM = os.environ.get("ORCHCORE_REAL_CLAUDE") or shutil.which("claude")
QUICKSTART = Path(__file__).parent.parent.parent / "examples" / "quickstart"
ORCHCORE = (sys.executable, "-m", "orchcore", "run", "--progress", "plain")

pytestmark = [
    pytest.mark.real_cli,
    pytest.mark.skipif(PROGRAM is None, reason="no claude in ORCHCORE_REAL_CLAUDE or PATH"),
]

STALLS = """
from orchcore import Agent, agent

@agent("claude", idle="4s")
async def answer(ai: Agent) -> str:
    return await ai.ask("scenario=stall")
"""

WORKS = """
from orchcore import Agent, agent

@agent("claude", permission="full", parallel=3)
async def work(ai: Agent) -> str:
    return await ai.ask("scenario=stall")
"""

LIMITED = """
from orchcore import Agent, agent

@agent("claude")
async def answer(ai: Agent) -> str:
    return await ai.ask("scenario=rate-limit")
"""


@pytest.fixture
def server() -> Iterator[FakeAnthropic]:
    with serving() as running:
        yield running


@pytest.fixture
def env(tmp_path: Path, server: FakeAnthropic) -> dict[str, str]:
    """A clean environment: a home of its own, dummy keys, loopback only."""
    home = tmp_path / "home"
    home.mkdir()
    assert PROGRAM is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").symlink_to(Path(PROGRAM).resolve())
    return {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": server.url,
        "ANTHROPIC_API_KEY": "sk-ant-dummy",
    }


def _orchfile(folder: Path, text: str) -> Path:
    folder.mkdir()
    path = folder / "orchfile.py"
    path.write_text(text)
    (folder / "orchcore.toml").write_text(
        '[agents.claude.env]\nCLAUDE_CODE_MAX_RETRIES = "1"\nDISABLE_TELEMETRY = "1"\n'
    )
    return path


def test_the_quickstart_passes_with_claude(tmp_path: Path, env: dict[str, str]) -> None:
    """The quickstart runs unchanged with ``--agent claude`` and writes its report."""
    project = tmp_path / "project"
    shutil.copytree(QUICKSTART, project / "quickstart", ignore=shutil.ignore_patterns(".orchcore"))
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(project))
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "First")):
        subprocess.run([*git, *words], check=True, env=env)
    (project / "new.py").write_text("def new() -> int:\n    return 1\n")
    subprocess.run([*git, "add", "."], check=True, env=env)
    done = subprocess.run(
        [*ORCHCORE, "quickstart", "--agent", "claude"],
        cwd=project, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" not in done.stdout
    (report,) = project.glob("quickstart/.orchcore/runs/*/report/artifacts/report.md")
    assert "new.py" in report.read_text()


def test_a_stall_is_ended_by_idle(tmp_path: Path, env: dict[str, str]) -> None:
    """A model that stops talking in the middle of an answer is a stall, not a hang."""
    orchfile = _orchfile(tmp_path / "flow", STALLS)
    with Subreaper([*ORCHCORE, str(orchfile)], cwd=tmp_path, env=env) as room:
        assert room.wait(60) == 1
        assert room.left_after(5) == []
        assert "stalled" in room.output()
        assert "idle=4" in room.output()


def test_sigint_leaves_nothing_of_claude_behind(
    tmp_path: Path, env: dict[str, str], server: FakeAnthropic
) -> None:
    """SIGINT with three real agents in mid-answer: exit 2, every process gone in 5 s."""
    orchfile = _orchfile(tmp_path / "flow", WORKS)
    with Subreaper([*ORCHCORE, str(orchfile)], cwd=tmp_path, env=env) as room:
        until = time.monotonic() + 60
        while server.requests["POST /v1/messages"] < 3 and time.monotonic() < until:
            time.sleep(0.1)
        os.kill(room.pid, signal.SIGINT)
        assert room.left_after(5) == []
        assert room.wait(5) == 2, room.output()


def test_a_rate_limit_is_called_one(tmp_path: Path, env: dict[str, str]) -> None:
    """HTTP 429 reaches the summary as ``rate_limited`` with the run failed, not green."""
    orchfile = _orchfile(tmp_path / "flow", LIMITED)
    with Subreaper([*ORCHCORE, str(orchfile)], cwd=tmp_path, env=env) as room:
        assert room.wait(60) == 1, room.output()
        assert "rate_limited" in room.output()
        assert room.left_after(5) == []
