"""``plan --resume``: what would be reused, run or asked, and why."""

from pathlib import Path

import pytest

from cli.commands import orchcore

FLOW = '''
from pathlib import Path
from orchcore import Agent, agent, approve, each, param, phase, use

class Handle:
    pass

@agent("demo")
async def plan(ai: Agent, task: str = param("a")) -> str:
    return await ai.ask(f"""Plan.

{task}""")

@phase
async def handle() -> Handle:
    return Handle()

@phase
async def opens(handle: Handle = use(handle)) -> int:
    return 1

@agent("demo", parallel=2)
async def work(ai: Agent, plan: str = use(plan), part: str = each(["a", "b"])) -> str:
    said = await ai.ask(f"work on {part}")
    if part == "b" and not Path("fixed").exists():
        raise ValueError("broken")
    return said

approved = approve(plan, "Good?")

@phase
async def end(work: list[str] = use(work), plan: str = use(approved)) -> str:
    return plan
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHCORE_DEMO_SPEED", "0")
    (tmp_path / "orchfile.py").write_text(FLOW)
    assert (
        orchcore("run", "--progress", "quiet", "-v", "--maxfail", "9", cwd=tmp_path).returncode == 1
    )
    return tmp_path


def foreseen(here: Path, *words: str) -> list[str]:
    done = orchcore("plan", "--resume", "latest", *words, cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_every_node_has_its_reason(here: Path) -> None:
    """Reused, not to be stored, without a digest, failed, not asked yet, after something else."""
    assert foreseen(here) == [
        "REUSE plan nothing has changed",
        "RUN handle its result is not stored",
        "RUN opens upstream changed: handle",
        "REUSE work:a nothing has changed",
        "RUN work:b failed: error: ValueError: broken $0.00",
        "ASK approved it has no answer yet",
        "RUN end upstream changed: work, approved",
        "",
        "likely cost of the 4 that run: $0.00, 3 of them unknown",
    ]


def test_what_has_changed_is_told(here: Path) -> None:
    """A prompt with its line, code, a model, a parameter, a new phase."""
    orchfile = here / "orchfile.py"
    orchfile.write_text(FLOW.replace("work on", "look at"))
    line = next(n for n, text in enumerate(FLOW.splitlines(), 1) if "work on" in text)
    assert f"RUN work:a prompt changed: line {line} $0.00" in foreseen(here)
    orchfile.write_text(FLOW.replace("return said", "return said.upper()"))
    assert any(told.startswith("RUN work:a code changed: line") for told in foreseen(here))
    orchfile.write_text(FLOW)
    assert "RUN plan upstream changed: task $0.00" in foreseen(here, "--task", "b")
    assert "RUN plan model changed: its own -> opus $0.00" in foreseen(here, "--model", "opus")
    orchfile.write_text(
        f"{FLOW}\n@phase\nasync def late(end: str = use(end)) -> int:\n    return 1\n"
    )
    assert "RUN late new, after end" in foreseen(here)


def test_nothing_is_started_or_recorded(here: Path) -> None:
    """It may be asked while the run goes on, and from another folder."""
    before = orchcore("show", "--json", cwd=here).stdout
    (here / "fixed").touch()
    foreseen(here)
    assert orchcore("show", "--json", cwd=here).stdout == before
