"""``resume`` takes words as they were meant, wherever it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import orchcore, quiet_environ

FLOW = """
from pathlib import Path
from orchcore import phase, param, use

@phase
async def first(task: str = param("nothing")) -> str:
    return task

@phase(recovery="halt")
async def last(task: str = use(first)) -> str:
    if not Path("fixed").exists():
        raise ValueError(f"broken {task}")
    return task
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "orchfile.py").write_text(FLOW)
    (tmp_path / "sub").mkdir()
    return tmp_path


def value(here: Path, node: str = "last") -> str:
    record = json.loads(orchcore("show", "--json", cwd=here).stdout)
    found: str = next(one["value"] for one in record["results"] if one["node"] == node)
    return found


def test_words_are_kept_whatever_they_look_like(here: Path) -> None:
    """Flags together, a value that looks like a flag, targets after ``--``."""
    done = orchcore("run", "-xv", "--task=-x", "--", "last", cwd=here)
    assert done.returncode == 1, done.stderr
    plan = orchcore("plan", "--resume", "latest", cwd=here)
    assert (plan.returncode, "HALT   last" in plan.stdout) == (0, True), plan.stderr
    (here / "fixed").touch()
    done = orchcore("resume", "latest", "--rerun", "last", cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert value(here) == "-x"


def test_from_another_folder(here: Path) -> None:
    """Of another project, with files that are named from where one is."""
    assert orchcore("run", cwd=here).returncode == 1
    (here / "sub" / "value.json").write_text('"by hand"')
    answer = ("--answer", "last", "value.json")
    plan = orchcore("plan", "--resume", "latest", *answer, cwd=here / "sub")
    assert "REUSE  last   it was decided: its result is given" in plan.stdout, plan.stderr
    done = orchcore("resume", "latest", *answer, cwd=here / "sub")
    assert done.returncode == 0, done.stdout + done.stderr
    assert value(here) == "by hand"
    elsewhere = here.parent
    done = orchcore("resume", f"--file={here / 'orchfile.py'}", *answer[:1], "last",
                    str(here / "sub" / "value.json"), cwd=elsewhere)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_decisions_are_checked_before_anything_runs(here: Path) -> None:
    """By the type of what is given; of a node that there is."""
    assert orchcore("run", cwd=here).returncode == 1
    (here / "value.json").write_text("7")
    for words, told in (
        (("--answer", "last", "value.json"), "Input should be a valid string"),
        (("--rerun", "lst"), "nothing has to be decided of 'lst'"),
    ):
        done = orchcore("resume", "latest", *words, cwd=here)
        assert (done.returncode, told in done.stderr) == (4, True), done.stderr


def test_a_secret_within_a_word_has_to_be_given_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not recorded, and is nowhere shown."""
    hidden = "sk-secret-12345678"
    monkeypatch.setenv("ANTHROPIC_API_KEY", hidden)
    gated = FLOW.replace("phase, param, use", "approve, phase, param, use")
    (here / "orchfile.py").write_text(
        f'{gated}\napproved = approve(first, lambda it: f"{{it}}?")\n'
    )
    assert orchcore("run", "--task", f"fix {hidden} leak", cwd=here).returncode == 1
    shown = (
        orchcore("approve", cwd=here).stdout
        + orchcore("plan", "--resume", "latest", cwd=here).stdout
    )
    assert hidden not in shown
    refused = orchcore("resume", cwd=here)
    assert (refused.returncode, "give it again" in refused.stderr) == (4, True)
    (here / "fixed").touch()
    again = orchcore("resume", "latest", "--task", "safe", "--rerun", "last", cwd=here)
    assert again.returncode == 10, again.stdout
    assert value(here) == "safe"


PROGRAM = """
import asyncio
from orchcore import run
asyncio.run(run("last", orchfile="orchfile.py", params={"task": "x"}))
"""


def test_a_program_s_own_run_is_neither_resumed_nor_stopped(here: Path) -> None:
    """Both say whose it is."""
    (here / "orchfile.py").write_text(
        FLOW.replace(
            "    if not Path",
            '    Path("begun").touch()\n    import asyncio; await asyncio.sleep(30)\n    if not Path',
        )
    )
    (here / "__main__.py").write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(here)], cwd=here, env=quiet_environ()) as program:
        while not (here / "begun").exists():
            assert program.poll() is None
        stop = orchcore("stop", cwd=here)
        assert (stop.returncode, f"kill {program.pid}" in stop.stderr) == (4, True), stop.stderr
        program.kill()
    done = orchcore("resume", cwd=here)
    assert (done.returncode, "a program of its own" in done.stderr) == (4, True), done.stderr


@pytest.mark.parametrize("usd", ["nan", "inf"])
def test_a_budget_is_an_amount(here: Path, usd: str) -> None:
    """Else it would limit nothing."""
    done = orchcore("run", "--budget", usd, cwd=here)
    assert (done.returncode, "is no amount of money" in done.stderr) == (4, True), done.stderr


def test_a_budget_that_cannot_count_an_agent_says_so(here: Path) -> None:
    """With the way out."""
    (here / "orchcore.toml").write_text('[agents.plain]\nadapter = "text"\nargv = ["cat"]\n')
    (here / "orchfile.py").write_text(
        'from orchcore import Agent, agent\n@agent("plain")\n'
        'async def talk(ai: Agent) -> str:\n    return await ai.ask("x")\n'
    )
    done = orchcore("run", "--budget", "1", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "agent 'plain' cannot be priced: no budget counts its turns" in done.stderr
    assert "[agents.plain.prices]" in done.stderr
