"""``orchcore run`` at a terminal: questions, ^C, ^Z, hang-up."""

import os
import signal
import subprocess
import time
from pathlib import Path

from cli.commands import ORCHCORE, orchcore, project, quiet_environ
from cli.test_run import GATED
from harness.subreaper import Subreaper

SLOW = """\
from orchcore import Agent, agent

@agent("demo")
async def think(ai: Agent) -> str:
    return await ai.ask("wait\\ndemo: sleep 60")
"""
STUBBORN = """\
import asyncio
from orchcore import phase

@phase
async def hold() -> str:
    try:
        await asyncio.sleep(60)
    finally:
        open("ending", "w").close()
        await asyncio.sleep(60)
    return ""
"""


def room(folder: Path, *args: str, progress: str = "plain", terminal: bool = True) -> Subreaper:
    command = [*ORCHCORE, "run", "--progress", progress, *args]
    return Subreaper(command, cwd=folder, env=quiet_environ(), terminal=terminal)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def eventually(pid: int, states: str, within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while state_of(pid) not in states:
        assert time.monotonic() < deadline, f"{pid} is {state_of(pid)}, not {states}"
        time.sleep(0.02)


def test_person_is_asked(tmp_path: Path) -> None:
    """A gate shows its question and the value, harmless; yes lets the run go on."""
    with room(project(tmp_path, GATED)) as running:
        running.terminal.read_until("? Do these 2 steps?", within_s=30)
        running.terminal.read_until("approve? [y/n/e/r/?]", within_s=10)
        assert "dig" in running.terminal.screen
        assert "\x1b]0;owned" not in running.terminal.screen
        running.terminal.type(b"maybe\n")
        running.terminal.read_until("what needs it is skipped", within_s=10)
        running.terminal.type(b"y\n")
        assert running.wait(20) == 0
        assert "3 passed" in running.terminal.screen


def test_person_says_no(tmp_path: Path) -> None:
    """No skips what is behind the gate, and the run exits 1."""
    with room(project(tmp_path, GATED), progress="tty") as running:
        running.terminal.read_until("approve? [y/n/e/r/?]", within_s=30)
        running.terminal.type(b"No\n")
        assert running.wait(20) == 1


def test_person_edits_the_value(tmp_path: Path) -> None:
    """A copy is changed in an editor of their own; what is no value of its type is asked again."""
    with room(project(tmp_path, GATED)) as running:
        running.terminal.read_until("approve? [y/n/e/r/?]", within_s=30)
        for text, told in (("{}", "! the edited value is no list"), ('["rest"]', "3 passed")):
            running.terminal.type(b"e\n")
            running.terminal.read_until("then press Enter: ", within_s=10)
            (draft,) = (tmp_path / ".orchcore").glob("runs/*/approvals/*.draft.json")
            assert draft.stat().st_mode & 0o777 == 0o600
            draft.write_text(text)
            running.terminal.type(b"\n")
            running.terminal.read_until(told, within_s=10)
        assert running.wait(20) == 0


def test_what_was_typed_before_does_not_approve(tmp_path: Path) -> None:
    """An answer typed before the question is not taken for one."""
    source = GATED.replace('return ["dig"', 'import asyncio; await asyncio.sleep(1); return ["dig"')
    with room(project(tmp_path, source)) as running:
        running.terminal.read_until("plan", within_s=30)
        running.terminal.type(b"y\n")
        running.terminal.read_until("approve? [y/n/e/r/?]", within_s=20)
        time.sleep(0.5)
        assert len(running.alive()) == 3
        running.terminal.type(b"n\n")
        assert running.wait(20) == 1


def test_end_of_file_is_no_answer(tmp_path: Path) -> None:
    """^D is neither yes nor no; ^C still ends the run."""
    with room(project(tmp_path, GATED)) as running:
        for _ in range(4):
            running.terminal.read_until("approve? [y/n/e/r/?]" if _ < 3 else "skipped", within_s=30)
            running.terminal.type(b"\x04")
        time.sleep(0.3)
        assert len(running.alive()) == 3
        running.terminal.type(b"\x03")
        assert running.wait(20) == 2
        assert running.left_after(5) == []


def test_interrupt_ends_in_order(tmp_path: Path) -> None:
    """^C ends the agents, the record and the display, and exits 2."""
    with room(project(tmp_path, SLOW)) as running:
        running.terminal.read_until("think", within_s=30)
        time.sleep(1)
        running.terminal.type(b"\x03")
        assert running.wait(20) == 2
        assert running.left_after(5) == []
        assert "1 cancelled" in running.terminal.screen
        assert "Traceback" not in running.terminal.screen
    assert "exit 2" in orchcore("runs", cwd=tmp_path).stdout


def test_two_quick_signals_are_one_and_the_third_gives_up(tmp_path: Path) -> None:
    """A ^C that arrives twice at once ends in order; a body that will not end is left behind."""
    with room(project(tmp_path, STUBBORN)) as running:
        running.terminal.read_until("hold", within_s=30)
        time.sleep(0.5)
        running.terminal.type(b"\x03\x03")
        deadline = time.monotonic() + 10
        while not (tmp_path / "ending").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for _ in range(2):
            time.sleep(0.5)
            assert len(running.alive()) == 3
            running.terminal.type(b"\x03")
        assert running.wait(15) == 2
        assert running.left_after(5) == []


def test_blocked_loop_can_be_left(tmp_path: Path) -> None:
    """A body that blocks the event loop cannot keep a person from ending the run."""
    blocking = STUBBORN.replace("await asyncio.sleep(60)", "__import__('time').sleep(60)")
    with room(project(tmp_path, blocking)) as running:
        running.three(within_s=30)
        running.terminal.read_until("started", within_s=30)
        for _ in range(3):
            time.sleep(0.5)
            running.terminal.type(b"\x03")
        assert running.wait(15) == 2
        assert running.left_after(5) == []


def test_termination_and_hang_up_end_in_order(tmp_path: Path) -> None:
    """SIGTERM and SIGHUP do what ^C does."""
    project(tmp_path, SLOW)
    for number in (signal.SIGTERM, signal.SIGHUP):
        with room(tmp_path, terminal=False) as running:
            orchestrator = running.three(within_s=30).orchestrator
            deadline = time.monotonic() + 30
            while "started" not in running.output():
                assert time.monotonic() < deadline, running.output()
                time.sleep(0.05)
            os.kill(orchestrator, number)
            assert running.wait(20) == 2
            assert running.left_after(5) == []


def test_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """Started by nohup, a SIGHUP does nothing."""
    project(tmp_path, SLOW)
    command = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", *ORCHCORE, "run"]
    with Subreaper([*command, "--progress", "plain"], cwd=tmp_path, env=quiet_environ()) as running:
        orchestrator = running.three(within_s=30).orchestrator
        deadline = time.monotonic() + 30
        while "started" not in running.output():
            assert time.monotonic() < deadline, running.output()
            time.sleep(0.05)
        os.kill(orchestrator, signal.SIGHUP)
        time.sleep(1)
        assert orchestrator in {process.pid for process in running.alive()}
        os.kill(orchestrator, signal.SIGTERM)
        assert running.wait(20) == 2


def test_stop_and_continue_take_the_agents_along(tmp_path: Path) -> None:
    """SIGTSTP stops the agents and us, SIGCONT continues both, and the run can still end."""
    shell = f"set -m; {' '.join(ORCHCORE)} run --progress plain & wait; wait; echo over"
    with Subreaper(
        ["/bin/bash", "-c", shell], cwd=project(tmp_path, SLOW), env=quiet_environ()
    ) as running:
        orchestrator = running.three(within_s=30).orchestrator
        deadline = time.monotonic() + 30
        agents = [one for one in running.alive() if "demo_agent.py" in one.command]
        while not agents:
            assert time.monotonic() < deadline, running.output()
            agents = [one for one in running.alive() if "demo_agent.py" in one.command]
        time.sleep(0.5)
        os.kill(orchestrator, signal.SIGTSTP)
        eventually(orchestrator, "T")
        eventually(agents[0].pid, "T")
        os.kill(orchestrator, signal.SIGCONT)
        eventually(agents[0].pid, "SR")
        eventually(orchestrator, "SR")
        os.kill(orchestrator, signal.SIGTERM)
        assert running.left_after(15) == []


def test_shell_stops_and_continues_the_run(tmp_path: Path) -> None:
    """^Z gives the shell its terminal back, fg goes on where the run was, ^C ends it."""
    command = " ".join([*ORCHCORE, "run", "--progress", "tty"])
    shell = ["/bin/bash", "--norc", "--noprofile", "-i"]
    environ = {**quiet_environ(), "PS1": "ready> "}
    with Subreaper(shell, cwd=project(tmp_path, SLOW), env=environ, terminal=True) as running:
        running.terminal.read_until("ready> ", within_s=10)
        running.terminal.type(f"{command}\n".encode())
        running.terminal.read_until("think", within_s=30)
        time.sleep(1)
        running.terminal.type(b"\x1a")
        running.terminal.read_until("Stopped", within_s=10)
        agent = next(one for one in running.alive() if "demo_agent.py" in one.command)
        eventually(agent.pid, "T")
        running.terminal.read_until("ready> ", within_s=10)
        running.terminal.type(b"fg\n")
        eventually(agent.pid, "SR")
        running.terminal.read_until("think", within_s=10)
        running.terminal.type(b"\x03")
        running.terminal.read_until("1 cancelled", within_s=20)
        running.terminal.read_until("ready> ", within_s=10)
        running.terminal.type(b"exit\n")
        assert running.wait(10) == 2


def test_stop_where_nobody_could_continue_does_nothing(tmp_path: Path) -> None:
    """In a group without a shell ^Z is dropped by the kernel; the agents are not left stopped."""
    with room(project(tmp_path, SLOW)) as running:
        running.terminal.read_until("think", within_s=30)
        time.sleep(1)
        running.terminal.type(b"\x1a")
        time.sleep(1)
        agent = next(one for one in running.alive() if "demo_agent.py" in one.command)
        eventually(agent.pid, "SR")
        time.sleep(1.5)  # for that long the front waits to see us stop
        running.terminal.type(b"\x03")
        assert running.wait(20) == 2


def test_live_view_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    """After ^C in the live view the cursor is shown again and the summary is there."""
    with room(project(tmp_path, SLOW), progress="tty") as running:
        running.terminal.read_until("\x1b[?25l", within_s=30)
        time.sleep(1)
        running.terminal.type(b"\x03")
        assert running.wait(20) == 2
        screen = running.terminal.screen
        assert screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l")
        assert "cancelled" in screen


def test_interrupt_while_the_orchfile_is_imported(tmp_path: Path) -> None:
    """^C before there is a run exits 2, in one line."""
    project(tmp_path, "import time\nopen('importing', 'w').close()\ntime.sleep(30)\n")
    with subprocess.Popen(
        [*ORCHCORE, "list"],
        cwd=tmp_path,
        env=quiet_environ(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "importing").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 2
    assert told.strip() == "interrupted"


def test_what_is_known_is_shown_before_a_question(tmp_path: Path) -> None:
    """Header and progress first, also between two questions."""
    source = (
        GATED
        + """
again = approve(done, "And again?")
"""
    )
    with room(project(tmp_path, source)) as running:
        for question in ("? Do these 2 steps?", "? And again?"):
            running.terminal.read_until(question, within_s=30)
            running.terminal.read_until("approve? [y/n/e/r/?]", within_s=10)
            running.terminal.type(b"y\n")
        assert running.wait(20) == 0
        screen = running.terminal.screen
    order = ["orchcore", "plan      0", "approve?", "done      0", "approve?", "4 passed"]
    places = [0]
    for part in order:
        places.append(screen.index(part, places[-1]))
