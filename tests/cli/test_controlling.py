"""``stop``, ``pause``, ``continue``, ``reap``, ``logs``: a hand on a run from another terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.commands import ORCHCORE, orchcore, quiet_environ

FLOW = """
from orchcore import Agent, agent

@agent("slow")
async def work(ai: Agent) -> str:
    return await ai.ask("first") + await ai.ask("second")
"""
AGENT = """#!/bin/sh
[ "$1" = --version ] && exec echo 2.1.330
cat >/dev/null
echo '{"type":"system","subtype":"init","session_id":"s","model":"m","tools":[]}'
echo '{"type":"assistant","session_id":"s","message":{"id":"m","role":"assistant","content":[{"type":"text","text":"I am at work"}]}}'
touch begun
while [ ! -e go ]; do sleep 0.05; done
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","usage":{}}'
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "orchfile.py").write_text(FLOW)
    program = tmp_path / "slow"
    program.write_text(AGENT)
    program.chmod(0o700)
    (tmp_path / "orchcore.toml").write_text(
        '[agents.slow]\nadapter = "claude"\nprogram = "./slow"\n'
    )
    return tmp_path


@pytest.fixture
def running(here: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*ORCHCORE, "run", "--progress", "plain"]
    with subprocess.Popen(
        command, cwd=here, env=quiet_environ(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            until((here / "begun").exists)
            yield process
        finally:
            (here / "go").touch()
            process.terminate()


def until(holds: Callable[[], object], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(here: Path, *words: str, code: int = 0) -> str:
    done = orchcore(*words, cwd=here)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_stop_ends_in_order(here: Path, running: subprocess.Popen[str]) -> None:
    """As ^C would; it waits, and the run can be resumed."""
    assert "has ended with exit code 2" in told(here, "stop")
    assert running.wait(10) == 2
    assert "does not run: it has ended" in told(here, "stop", code=4)
    (here / "go").touch()
    assert "1 passed" in told(here, "resume")


def test_pause_lets_running_turns_finish(here: Path, running: subprocess.Popen[str]) -> None:
    """No further one starts until it is lifted."""
    told(here, "pause")
    (here / "go").touch()
    until(lambda: "paused: no turn starts until" in told(here, "show", "--json"))
    time.sleep(0.5)
    assert len(list((here / ".orchcore").glob("runs/*/work/attempt-1/turn-*"))) == 1
    told(here, "continue")
    assert running.wait(20) == 0


def test_logs_show_and_follow_what_agents_write(here: Path, running: subprocess.Popen[str]) -> None:
    """What there is, and what comes until the run ends."""
    shown = told(here, "logs", "latest", "work")
    assert shown.splitlines() == ["[turn-1: slow]", "I am at work"]
    command = [*ORCHCORE, "logs", "-f"]
    with subprocess.Popen(
        command, cwd=here, env=quiet_environ(), stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "work  [turn-1: slow]\n"
        assert following.stdout.readline() == "work  I am at work\n"
        (here / "go").touch()
        assert running.wait(20) == 0
        assert following.stdout.read().splitlines() == [
            "work  [turn-2: slow]",
            "work  I am at work",
        ]
        assert following.wait(10) == 0
    assert "no agent of run" in told(here, "logs", "latest", "wrok", code=4)


def test_reap_ends_what_a_dead_run_left(here: Path) -> None:
    """Where no keeper was above it; nothing else is touched."""
    flow = "import asyncio, sys\nfrom orchcore import run\nasyncio.run(run('work', orchfile='orchfile.py'))"
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with subprocess.Popen([sys.executable, "-c", flow], cwd=here, env=quiet_environ()) as program:
        until((here / "begun").exists)
        for child in psutil.Process(program.pid).children():
            if "guard" in " ".join(child.cmdline()):
                child.kill()
        program.send_signal(signal.SIGKILL)
    left = [one.pid for one in psutil.process_iter() if str(here / "slow") in cmdline(one)]
    assert left
    time.sleep(0.1)  # it is older than who ends it
    assert str(left[0]) in told(here, "reap")
    until(lambda: not any(is_alive(pid) for pid in left), 5)
    assert "nothing was left running" in told(here, "reap")
    assert other.poll() is None
    os.kill(other.pid, signal.SIGKILL)
    other.wait()


def test_stop_now_kills_agents_that_do_not_heed(here: Path) -> None:
    """Without the grace that they would have else."""
    heedless = AGENT.replace("touch begun", "trap '' TERM INT HUP; touch begun")
    (here / "slow").write_text(heedless)
    command = [*ORCHCORE, "run", "--progress", "plain"]
    with subprocess.Popen(command, cwd=here, env=quiet_environ()) as front:
        until((here / "begun").exists)
        began = time.monotonic()
        assert "has ended with exit code 2" in told(here, "stop", "--now")
        assert time.monotonic() - began < 5
        assert front.wait(5) == 2


def test_resume_ends_what_the_process_before_it_left(here: Path) -> None:
    """Before anything is started: nobody works beside the one that goes on."""
    command = [*ORCHCORE, "run", "--progress", "plain"]
    with subprocess.Popen(command, cwd=here, env=quiet_environ()) as front:
        until((here / "begun").exists)
        ours = [front.pid, *(one.pid for one in psutil.Process(front.pid).children(recursive=True))]
        for pid in reversed(ours):
            if "slow" not in cmdline(psutil.Process(pid)):
                os.kill(pid, signal.SIGKILL)
    left = [one for one in psutil.process_iter() if str(here / "slow") in cmdline(one)]
    assert left
    time.sleep(0.1)
    (here / "go").touch()
    (here / "slow").write_text(AGENT)
    left[0].suspend()  # else it ends by itself
    assert "1 passed" in told(here, "resume")
    assert not is_alive(left[0].pid)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def cmdline(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
