"""``plan --resume``: what would be reused, run or asked, and why."""

import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

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
        "RUN end blocked before, after work, approved",
        "",
        "likely cost of the 1 with agents that run: $0.00",
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
    """The record is as it was."""
    before = orchcore("show", "--json", cwd=here).stdout
    (here / "fixed").touch()
    foreseen(here)
    assert orchcore("show", "--json", cwd=here).stdout == before


EDITOR = {
    "editor.sh": "#!/bin/sh\ncat >prompt; mkdir -p src; echo new >src/a.py; echo old >>notes; echo made\n",
    "orchcore.toml": """
        default_agent = "editor"
        [agents.editor]
        adapter = "text"
        argv = ["./editor.sh"]
        """,
    "orchfile.py": """
        from orchcore import Agent, agent, command, phase, use

        @agent(permission="edit")
        async def implement(ai: Agent) -> str:
            return await ai.ask("Make src/a.py")

        @phase
        async def check(said: str = use(implement)) -> str:
            return (await command("cat", "ok", "src/a.py", "notes", check=True)).stdout
        """,
    ".gitignore": "prompt",
}


def test_files_that_are_gone(tmp_path: Path) -> None:
    """What an agent changed is put back; if it cannot be, a person decides."""

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    for name, text in EDITOR.items():
        (tmp_path / name).write_text(dedent(text))
    (tmp_path / "editor.sh").chmod(0o755)
    git("init", "-q")
    git("add", "-A")
    git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x")
    assert orchcore("run", cwd=tmp_path).returncode == 1
    git("clean", "-fdq", "-e", ".orchcore")
    (tmp_path / "ok").write_text("ok\n")
    put_back = "what it changed is gone, and is put back: notes, src/a.py"
    assert f"REUSE implement {put_back}" in foreseen(tmp_path)
    assert not (tmp_path / "src").exists()
    done = orchcore("resume", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "notes").read_text()) == (0, "old\n")
    assert "put back what an agent had changed: notes, src/a.py" in done.stdout

    shutil.rmtree(tmp_path / "src")
    shutil.rmtree(next(tmp_path.glob(".orchcore/runs/*/files")))
    assert foreseen(tmp_path)[0].startswith("HALT implement it cannot be told")
    assert orchcore("resume", cwd=tmp_path).returncode == 10
    assert orchcore("resume", "--rerun", "implement", cwd=tmp_path).returncode == 0
    assert (tmp_path / "notes").read_text() == "old\nold\n"
