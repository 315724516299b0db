"""Whole runs of ``orchcore`` with the real agent CLIs, against fake model servers on loopback."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fake_models.model_server import ModelServer
from harness.subreaper import Subreaper
from real_cli.real_clis import CLIS, RealCli
from survival.stage import GONE_WITHIN_S, until

QUICKSTART = Path(__file__).parent.parent.parent / "examples" / "quickstart"
ORCHCORE = (sys.executable, "-m", "orchcore", "run", "--progress", "plain")
SOON_S = 60.0

pytestmark = pytest.mark.real_cli

STALLS = """
from orchcore import Agent, agent

@agent("{name}", idle="4s")
async def answer(ai: Agent) -> str:
    return await ai.ask("scenario=stall")
"""

WORKS = """
from orchcore import Agent, agent, each

@agent("{name}", permission="full", parallel=2)
async def work(ai: Agent, number: int = each([1, 2])) -> str:
    return await ai.ask("scenario=slow-tool")
"""

INSISTS = """
from orchcore import Agent, agent

@agent("{name}")
async def answer(ai: Agent) -> str:
    return await ai.ask("scenario=insist")
"""

LIMITED = """
from orchcore import Agent, agent

@agent("{name}", on_rate_limit="fail")
async def answer(ai: Agent) -> str:
    return await ai.ask("scenario=rate-limit")
"""

RAMBLES = """
from pydantic import BaseModel

from orchcore import Agent, agent

class Verdict(BaseModel):
    score: int

@agent("{name}")
async def judge(ai: Agent) -> Verdict:
    return await ai.ask("scenario=no-structure", Verdict)
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A CLI, ready to be run in a folder."""

    cli: RealCli
    server: ModelServer
    folder: Path
    env: dict[str, str]

    def run(self, orchfile: str) -> Subreaper:
        """``orchcore run`` of that text, in which ``{name}`` is the CLI."""
        flow = self.folder / "flow"
        flow.mkdir()
        (flow / "orchfile.py").write_text(orchfile.replace("{name}", self.cli.name))
        (flow / "orchcore.toml").write_text(f"[agents.{self.cli.name}]\n{self.cli.settings}\n")
        return Subreaper([*ORCHCORE, str(flow / "orchfile.py")], cwd=self.folder, env=self.env)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a CLI unpacks once."""
    folder = tmp_path_factory.mktemp("kept")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=CLIS, ids=lambda cli: cli.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path, kept: Path) -> Iterator[Desk]:
    """A clean environment: a home of its own, dummy keys, loopback only."""
    cli: RealCli = request.param
    if cli.program is None:
        pytest.skip(f"no {cli.name} in ORCHCORE_REAL_{cli.name.upper()} or PATH")
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / cli.name).symlink_to(Path(cli.program).resolve())
    with cli.serving() as server:
        env = {
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **cli.home(server, home, kept),
        }
        yield Desk(cli, server, tmp_path, env)


def test_the_quickstart_passes(desk: Desk) -> None:
    """It runs unchanged with ``--agent NAME``, writes its report and leaves nothing."""
    project = desk.folder / "project"
    shutil.copytree(QUICKSTART, project / "quickstart", ignore=shutil.ignore_patterns(".orchcore"))
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(project))
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "First")):
        subprocess.run([*git, *words], check=True, env=desk.env)
    (project / "new.py").write_text("def new() -> int:\n    return 1\n")
    subprocess.run([*git, "add", "."], check=True, env=desk.env)
    command = [*ORCHCORE, "quickstart", "--agent", desk.cli.name]
    with Subreaper(command, cwd=project, env=desk.env) as room:
        assert room.wait(SOON_S) == 0, room.output()
        assert room.left_after(0) == []
        assert "SIMULATED" not in room.output()
    (report,) = project.glob("quickstart/.orchcore/runs/*/report/artifacts/report.md")
    assert "new.py" in report.read_text()


def test_a_stall_is_ended_by_idle(desk: Desk) -> None:
    """A model that stops talking in the middle of an answer is a stall, not a hang."""
    with desk.run(STALLS) as room:
        assert room.wait(SOON_S) == 1
        assert room.left_after(0) == []
        assert "stalled" in room.output()
        assert "idle=4" in room.output()


def test_a_tool_that_would_have_to_ask_never_hangs(desk: Desk) -> None:
    """A model that insists on one is ended soon, and the option to set is told.

    Codex refuses by itself, and says so on stderr alone.
    """
    with desk.run(INSISTS) as room:
        assert room.wait(SOON_S) == 1, room.output()
        assert room.left_after(0) == []
        assert "permission_denied" in room.output()
        assert "permission=" in room.output()
    assert not (desk.folder / "asked.txt").exists()


def test_prose_is_no_structured_answer(desk: Desk) -> None:
    """Whether the schema goes through a flag or the prompt: a run in which none came is red."""
    with desk.run(RAMBLES) as room:
        assert room.wait(SOON_S) == 1, room.output()
        assert room.left_after(0) == []
        assert "invalid_output" in room.output()


@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_nothing_of_an_ended_run_is_left(desk: Desk, how: str) -> None:
    """SIGINT, or SIGKILL of the orchestrator, while two agents' tools run in their own sessions."""
    with desk.run(WORKS) as room:
        until(lambda: tools(room) == 2, room, SOON_S)
        if how == "interrupted":
            os.kill(room.pid, signal.SIGINT)
        else:
            os.kill(room.three(SOON_S).orchestrator, signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []
        assert room.wait(5) == (2 if how == "interrupted" else -signal.SIGKILL), room.output()


def tools(room: Subreaper) -> int:
    """How many are running."""
    return sum(one.command == "sleep 300" for one in room.alive())


@pytest.mark.parametrize("desk", CLIS[:1], ids=["claude"], indirect=True)
def test_a_rate_limit_is_called_one(desk: Desk) -> None:
    """HTTP 429 reaches the summary as ``rate_limited`` with the run failed, not green."""
    with desk.run(LIMITED) as room:
        assert room.wait(SOON_S) == 1, room.output()
        assert "rate_limited" in room.output()
        assert room.left_after(0) == []
