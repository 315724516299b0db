"""``orchcore run``, as a real process with the demo agent."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from cli.commands import ORCHCORE, SMALL, orchcore, project, quiet_environ

DEMO = ("--agent", "demo", "--progress", "plain")

GATED = """\
from orchcore import approve, phase, use

@phase
async def plan() -> list[str]:
    return ["dig", "\\x1b]0;owned\\x07fill"]

approved = approve(plan, lambda steps: f"Do these {len(steps)} steps?")

@phase
async def done(steps: list[str] = use(approved)) -> int:
    return len(steps)
"""
EXITING = """\
import asyncio, sys
from orchcore import phase

async def leave(): sys.exit(0)

@phase
async def exiting():
    task = asyncio.ensure_future(leave())
    await asyncio.sleep(0.05)

@phase
async def other():
    await asyncio.sleep(0.2)
"""
CANCELLING = """\
import asyncio
from orchcore import phase

@phase
async def cancelling():
    for task in asyncio.all_tasks():
        task.cancel()
"""
FAILING = """\
import asyncio
from orchcore import each, phase

@phase(parallel=1)
async def work(item: int = each([1, 2, 3, 4])) -> int:
    raise ValueError(f"no {item}")
"""


def test_whole_run_passes(tmp_path: Path) -> None:
    """A run of agents and phases passes, is recorded and shown, and exits 0."""
    project(tmp_path)
    done = orchcore(*DEMO, "--task", "a wall", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 passed" in done.stdout
    assert "SIMULATED" in done.stdout
    listed = orchcore("runs", cwd=tmp_path).stdout
    assert "exit 0" in listed
    assert listed.split()[0] in done.stdout


def test_target_limits_the_run(tmp_path: Path) -> None:
    """Only the target and what it needs is run."""
    project(tmp_path)
    done = orchcore("run", "plan", *DEMO, cwd=tmp_path)
    assert done.returncode == 0
    assert "verdict" not in done.stdout


def test_failure_exits_1(tmp_path: Path) -> None:
    """A failed phase makes exit code 1; -x and --maxfail end the run early."""
    project(tmp_path, FAILING)
    done = orchcore("--progress", "plain", cwd=tmp_path)
    assert done.returncode == 1
    assert "4 failed" in done.stdout
    assert "1 failed" in orchcore("-x", "--progress", "plain", cwd=tmp_path).stdout
    assert "2 failed" in orchcore("--maxfail", "2", "--progress", "plain", cwd=tmp_path).stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no keeper")
def test_process_that_ends_before_the_run_has_not_passed(tmp_path: Path) -> None:
    """``os._exit(0)`` in a body is an internal error, not a success."""
    project(tmp_path, "import os\nfrom orchcore import phase\n@phase\nasync def x(): os._exit(0)\n")
    assert orchcore("--progress", "plain", cwd=tmp_path).returncode == 3


def test_exit_of_a_task_is_its_bodys_failure(tmp_path: Path) -> None:
    """``sys.exit(0)`` ends neither the run nor the program; the record is complete."""
    project(tmp_path, EXITING)
    done = orchcore("--progress", "plain", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 passed, 1 failed" in done.stdout
    assert "exit 1" in orchcore("runs", cwd=tmp_path).stdout


def test_orchfile_that_cancels_the_run_is_told(tmp_path: Path) -> None:
    """A body that cancels every task ends the run in order; no traceback of ours."""
    project(tmp_path, CANCELLING)
    done = orchcore("--progress", "plain", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error[cancelled]: the orchfile's own code has cancelled the run")
    assert "Traceback" not in done.stderr


def test_gate_without_a_terminal_pauses(tmp_path: Path) -> None:
    """Nobody can be asked without a terminal: exit 10. --yes answers."""
    project(tmp_path, GATED)
    paused = orchcore("--progress", "plain", cwd=tmp_path)
    assert paused.returncode == 10
    piped = orchcore("--progress", "plain", cwd=tmp_path, text="y\n")
    assert piped.returncode == 10
    yes = orchcore("--yes", "--progress", "plain", cwd=tmp_path)
    assert yes.returncode == 0


def test_json_progress_is_json_only(tmp_path: Path) -> None:
    """--progress json writes one event per line on stdout; people read stderr."""
    done = orchcore("--agent", "demo", "--progress", "json", cwd=project(tmp_path))
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_ended")
    assert "2 passed" in done.stderr


def test_quiet_progress_is_the_summary(tmp_path: Path) -> None:
    """--progress quiet shows the summary only."""
    done = orchcore("--agent", "demo", "--progress", "quiet", cwd=project(tmp_path))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 4


def test_reader_that_leaves_does_not_end_the_run(tmp_path: Path) -> None:
    """With stdout closed the run goes on, is recorded, and exits as it would; stderr is silent."""
    project(tmp_path)
    for progress in ("plain", "json", "quiet"):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*ORCHCORE, "--agent", "demo", "--progress", progress],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            env=quiet_environ(),
            text=True,
            check=False,
        )
        os.close(writing)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
    assert orchcore("runs", cwd=tmp_path).stdout.count("exit 0") == 3


def test_tty_progress_needs_a_terminal(tmp_path: Path) -> None:
    """--progress tty into a pipe is a usage error."""
    done = orchcore("--agent", "demo", "--progress", "tty", cwd=project(tmp_path))
    assert done.returncode == 4
    assert "progress-needs-terminal" in done.stderr


def test_warnings_are_drawn_before_the_run(tmp_path: Path) -> None:
    """What planning warns of stands on stderr, and the run goes on."""
    source = (
        SMALL.replace("@agent\n", '@agent(parallel=2, permission="edit")\n')
        .replace("plan: str = use", "plan: list[str] = use")
        .replace("-> str:\n    return plan", "-> int:\n    return len(plan)")
    )
    done = orchcore(*DEMO, cwd=project(tmp_path, source))
    assert done.returncode == 0, done.stderr
    assert "warning[shared-edits]" in done.stderr


def test_parameter_from_stdin_and_file(tmp_path: Path) -> None:
    """A text parameter takes - for stdin and @file for a file's content."""
    project(tmp_path)
    assert orchcore("--task", "-", *DEMO, cwd=tmp_path, text="from stdin").returncode == 0
    (tmp_path / "task.txt").write_text("from a file")
    assert orchcore("--task", "@task.txt", *DEMO, cwd=tmp_path).returncode == 0
    prompts = json.dumps([json.loads(orchcore("show", "--json", cwd=tmp_path).stdout)["events"]])
    assert "from a file" in prompts
    assert orchcore("--task", "@nosuch.txt", *DEMO, cwd=tmp_path).returncode == 4


def test_no_agent_is_explained(tmp_path: Path) -> None:
    """An agent that is not named anywhere is an error that offers the demo agent."""
    bare = str(tmp_path / "bin")
    done = orchcore(cwd=project(tmp_path), env={"PATH": bare})
    assert done.returncode == 4
    assert "no agent CLI is installed here" in done.stderr
    assert "--agent demo" in done.stderr
    assert "--agent claude" not in done.stderr  # it is not there
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "claude").chmod(0o755)
    done = orchcore(cwd=tmp_path, env={"PATH": bare})
    assert "choose one for this run:   --agent claude" in done.stderr
    assert 'default_agent = "claude"' in done.stderr


@pytest.mark.parametrize("way", ["-m", "script"])
def test_both_ways_to_start_are_one(tmp_path: Path, way: str) -> None:
    """`python -m orchcore` and the installed script are the same program."""
    script = Path(ORCHCORE[0]).with_name("orchcore")
    if way == "script" and not script.exists():
        pytest.skip("the script is not installed")
    command = ORCHCORE if way == "-m" else [str(script)]
    done = subprocess.run(
        [*command, "list"], cwd=project(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "plan")


BAD_AGENTS = """\
from orchcore import Agent, agent, use

@agent("words")
async def plan(ai: Agent) -> str: return await ai.ask("plan")

@agent(tools=["Read"])
async def go(ai: Agent = use(plan.session)) -> str: return await ai.ask("go")

@agent("nobody")
async def other(ai: Agent) -> str: return await ai.ask("x")

@agent("holes")
async def holes(ai: Agent) -> str: return await ai.ask("x")

@agent("gone")
async def gone(ai: Agent) -> str: return await ai.ask("x")
"""


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ("hermetic = true", "", "agent 'words' cannot be hermetic"),
        ("", ", max_tool_calls=2", "agent 'words' cannot take max_tool_calls="),
        ("adapter = 'none'", "", "agent 'words' has an unknown adapter 'none'"),
    ],
)
def test_what_an_agent_cannot_do_is_refused_and_never_ignored(
    tmp_path: Path, settings: str, options: str, said: str
) -> None:
    """In configuration as in the orchfile."""
    flow = f"""
    from orchcore import Agent, agent
    @agent("words"{options})
    async def work(ai: Agent) -> str: return await ai.ask("x")
    """
    project(tmp_path, dedent(flow))
    adapter = "" if "adapter" in settings else 'adapter = "text"'
    (tmp_path / "orchcore.toml").write_text(
        f'[agents.words]\n{adapter}\nargv = ["cat"]\n{settings}\n'
    )
    done = orchcore("run", cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (4, True), done.stderr


def test_an_agent_without_an_adapter_says_so(tmp_path: Path) -> None:
    """Its table is there; what is missing is who reads it."""
    project(tmp_path, SMALL)
    (tmp_path / "orchcore.toml").write_text(
        'default_agent = "qwen"\n[agents.qwen]\nprogram = "cat"\n'
    )
    done = orchcore("run", cwd=tmp_path)
    assert done.returncode == 4
    assert "agent 'qwen' names no adapter, and none is called 'qwen'" in done.stderr
    assert "claude" in done.stderr


def test_plan_refuses_what_run_refuses(tmp_path: Path) -> None:
    """Agents that are unknown, missing or unable, and argv that cannot be filled: the same words."""
    project(tmp_path, BAD_AGENTS)
    (tmp_path / "orchcore.toml").write_text(
        '[agents.words]\nadapter = "text"\nargv = ["cat"]\n'
        '[agents.holes]\nadapter = "text"\nargv = ["echo", "{nope}"]\n'
        '[agents.gone]\nadapter = "text"\nargv = ["x"]\nprogram = "surely-not-there"\n'
    )
    ran, planned = orchcore("run", cwd=tmp_path), orchcore("plan", cwd=tmp_path)
    assert (ran.returncode, planned.returncode) == (4, 4)
    assert ran.stderr == planned.stderr
    assert planned.stdout == ""
    for said in (
        "agent 'words' cannot go on with a conversation",
        "agent 'words' cannot take tools=",
        "no agent is called 'nobody'",
        "argv of agent 'holes' has an unknown placeholder {nope}",
        "no 'surely-not-there' in PATH",
        "these can: acp, claude, codex, ",
    ):
        assert said in planned.stderr
    assert not (tmp_path / ".orchcore").exists()
    listed = orchcore("list", cwd=tmp_path)
    assert listed.returncode == 0


def test_what_children_print_is_no_event(tmp_path: Path) -> None:
    """--progress json keeps stdout for events: a body's own children write to stderr."""
    source = """\
import os, subprocess
from orchcore import phase

@phase
async def work() -> int:
    os.write(1, b"written\\n")
    return subprocess.run(["echo", "echoed"], check=True).returncode
"""
    done = orchcore("--progress", "json", cwd=project(tmp_path, source))
    assert [json.loads(line)["kind"] for line in done.stdout.splitlines()][-1] == "run_ended"
    assert "written\nechoed\n" in done.stderr


def test_why_a_green_run_exits_1(tmp_path: Path) -> None:
    """A resource that failed to close is told at the end, by show and by runs."""
    source = """\
from collections.abc import AsyncIterator
from orchcore import phase, resource, use

@resource
async def db() -> AsyncIterator[int]:
    yield 1
    raise OSError("gone")

@phase
async def work(db: int = use(db)) -> int:
    return db
"""
    done = orchcore("--progress", "quiet", cwd=project(tmp_path, source))
    assert done.returncode == 1
    for text in (done.stdout, *(orchcore(word, cwd=tmp_path).stdout for word in ("show", "runs"))):
        assert "resource 'db' failed to close: OSError: gone" in text
