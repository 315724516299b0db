"""The keeper, below a stand-in orchestrator with hostile children, judged by descent alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from harness import hostile
from harness.subreaper import Subreaper, Three
from orchcore.agents import orphans
from orchcore.agents.keeper import judged

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="child subreapers are Linux's"
)

TESTS = Path(__file__).parents[1]
GONE_WITHIN_S = 5.0
SOON_S = 30.0  # what no test waits for unless something is broken


@pytest.mark.parametrize(
    ("status", "reported", "seen"),
    [
        (0, None, 3),
        (0, 0, 0),
        (0, 1, 1),
        (0, 10, 10),
        (7 << 8, None, 7),
        (7 << 8, 0, 7),
        (signal.SIGKILL, None, -signal.SIGKILL),
    ],
)
def test_a_success_is_what_was_reported(status: int, reported: int | None, seen: int) -> None:
    """A 0 counts only if the orchestrator said so; any other status is what it is."""
    code = 0 if reported is None else reported + 1
    assert os.waitstatus_to_exitcode(judged(status, code)) == seen


def stand_in(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "harness.stand_in", str(folder), *options]


@contextmanager
def started(
    command: list[str], folder: Path, *, terminal: bool = False
) -> Generator[tuple[Subreaper, Three]]:
    """The stand-in with all its children there."""
    with Subreaper(command, cwd=TESTS, terminal=terminal) as room:
        until((folder / "ready").exists, room)
        yield room, room.three(SOON_S)


def until(condition: Callable[[], bool], room: Subreaper) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        shown = room.terminal.screen if hasattr(room, "terminal") else room.output()
        assert time.monotonic() < deadline, f"{room.alive()}\n{shown}"
        time.sleep(0.01)


def signals(folder: Path) -> list[str]:
    file = folder / "signals"
    return file.read_text().split() if file.exists() else []


def has_come(folder: Path, name: str) -> bool:
    return name in signals(folder)


def children(folder: Path) -> set[int]:
    return {int((folder / "children" / kind).read_text()) for kind in hostile.KINDS}


def test_the_harness_sees_every_kind_of_child_that_is_left_behind(tmp_path: Path) -> None:
    """Without a keeper all ten outlive their orchestrator: the other tests can fail."""
    with Subreaper(stand_in(tmp_path, "--unguarded", "--children"), cwd=TESTS) as room:
        until((tmp_path / "ready").exists, room)
        os.kill(room.pid, signal.SIGKILL)
        assert room.wait(SOON_S) == -signal.SIGKILL
        assert children(tmp_path) <= {process.pid for process in room.left_after(0.2)}


def test_nothing_outlives_an_orchestrator_killed_with_9(tmp_path: Path) -> None:
    """The keeper ends all ten kinds of child, and the shell sees the SIGKILL."""
    with started(stand_in(tmp_path, "--children"), tmp_path) as (room, three):
        os.kill(three.orchestrator, signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []
        assert room.wait(SOON_S) == -signal.SIGKILL


def test_nothing_outlives_a_front_killed_with_9(tmp_path: Path) -> None:
    """The orchestrator is told to end in order, and the keeper ends what is left."""
    with started(stand_in(tmp_path, "--children", "--obey"), tmp_path) as (room, three):
        os.kill(three.front, signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []
        assert signals(tmp_path)[0] == "SIGTERM"


def test_nothing_outlives_a_keeper_killed_with_9(tmp_path: Path) -> None:
    """The orchestrator is told to end in order, and front ends what is left and says how."""
    with started(stand_in(tmp_path, "--children", "--obey"), tmp_path) as (room, three):
        os.kill(three.keeper, signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []
        assert signals(tmp_path) == ["SIGTERM"]
        assert room.wait(SOON_S) == 2


def test_nothing_outlives_a_keeper_and_an_orchestrator_killed_with_9(tmp_path: Path) -> None:
    """Front does the keeper's work."""
    with started(stand_in(tmp_path, "--children"), tmp_path) as (room, three):
        os.kill(three.keeper, signal.SIGKILL)
        os.kill(three.orchestrator, signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []
        assert room.wait(SOON_S) == -signal.SIGKILL


def test_nothing_outlives_a_foreground_group_killed_with_9(tmp_path: Path) -> None:
    """The keeper is not in the group that the terminal or a CI runner kills."""
    with started(stand_in(tmp_path, "--children"), tmp_path) as (room, three):
        os.killpg(os.getpgid(three.front), signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []


def test_keeper_is_not_meant_by_its_programs_name(tmp_path: Path) -> None:
    """Its own session, name and command line keep it out of ``pkill`` for the other two."""
    with started(stand_in(tmp_path), tmp_path) as (_, three):
        assert os.getsid(three.keeper) == three.keeper
        keeper = psutil.Process(three.keeper)
        assert (keeper.name(), "".join(keeper.cmdline())) == ("agents-keeper", "agents-keeper")
        for other in (three.front, three.orchestrator):
            assert "harness.stand_in" in psutil.Process(other).cmdline()


def test_nothing_outlives_an_orchestrator_that_ends_by_itself(tmp_path: Path) -> None:
    """What an orderly end has overlooked is ended as well, and the exit code stays."""
    with Subreaper(stand_in(tmp_path, "--children", "--exit", "7"), cwd=TESTS) as room:
        assert room.wait(SOON_S) == 7
        assert room.alive() == []


def test_an_orchestrator_that_does_not_end_in_order_is_killed(tmp_path: Path) -> None:
    """With front gone, the keeper's patience is bounded."""
    with started(stand_in(tmp_path, "--patience", "0.2"), tmp_path) as (room, three):
        os.kill(three.front, signal.SIGKILL)
        assert room.left_after(GONE_WITHIN_S) == []
        assert signals(tmp_path)[0] == "SIGTERM"


def test_polite_signals_do_not_end_the_keeper(tmp_path: Path) -> None:
    """Somebody who signals all processes called python does not lose the keeper."""
    with started(stand_in(tmp_path), tmp_path) as (room, three):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
            os.kill(three.keeper, number)
        os.kill(three.front, signal.SIGUSR1)
        until(lambda: signals(tmp_path) == ["SIGUSR1"], room)
        keeper = psutil.Process(three.keeper)
        until(lambda: keeper.status() == psutil.STATUS_SLEEPING, room)


def test_the_keeper_reaps_orphans_while_the_orchestrator_lives(tmp_path: Path) -> None:
    """A long run does not collect zombies."""
    with started(stand_in(tmp_path, "--children"), tmp_path) as (room, three):
        orphan = int((tmp_path / "children" / "double_fork.sh").read_text())
        assert psutil.Process(orphan).ppid() == three.keeper
        os.kill(orphan, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(orphan), room)
        assert room.alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_the_shell_sees_the_signal_that_the_orchestrator_died_of(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Front dies of it too."""
    with Subreaper(stand_in(tmp_path, "--die", str(number.value)), cwd=TESTS) as room:
        assert room.wait(SOON_S) == -number
        assert room.alive() == []


def test_a_signal_sent_to_the_command_arrives_once(tmp_path: Path) -> None:
    """``kill`` of the pid that the shell knows reaches the orchestrator, each in its turn."""
    sent = ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR2", "SIGWINCH", "SIGCONT", "SIGUSR1"]
    with started(stand_in(tmp_path), tmp_path) as (room, three):
        for name in sent:
            os.kill(three.front, signal.Signals[name])
            until(partial(has_come, tmp_path, name), room)
        assert signals(tmp_path) == sent


def test_an_interrupt_from_the_keyboard_arrives_once(tmp_path: Path) -> None:
    """The terminal gives ^C to front and orchestrator; front does not pass it on."""
    with started(stand_in(tmp_path), tmp_path, terminal=True) as (room, three):
        room.terminal.type(b"\x03")
        until(lambda: signals(tmp_path) == ["SIGINT"], room)
        os.kill(three.front, signal.SIGUSR1)  # front takes its signals one after the other
        until(lambda: "SIGUSR1" in signals(tmp_path), room)
        assert signals(tmp_path) == ["SIGINT", "SIGUSR1"]


def test_a_hang_up_reaches_the_orchestrator(tmp_path: Path) -> None:
    """A closed terminal tells only the session's leader, which may be front."""
    with started(stand_in(tmp_path, "--obey"), tmp_path, terminal=True) as (room, _):
        room.terminal.hang_up()
        assert room.wait(SOON_S) == 2
        assert room.left_after(GONE_WITHIN_S) == []


def test_signals_from_before_the_fork_are_not_lost(tmp_path: Path) -> None:
    """What is pending when ``guard`` is called reaches the orchestrator, which is not born yet."""
    launcher = (
        "import os, signal, sys;"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM});"
        "os.kill(os.getpid(), signal.SIGTERM);"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", launcher, *stand_in(tmp_path, "--obey")]
    with Subreaper(command, cwd=TESTS) as room:
        assert room.wait(SOON_S) == 2
        assert signals(tmp_path) == ["SIGTERM"]


def test_an_interrupt_inherited_as_ignored_stays_ignored(tmp_path: Path) -> None:
    """``nohup`` and ``&`` keep their meaning, and SIGTERM still arrives."""
    command = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *stand_in(tmp_path, "--obey")]
    with started(command, tmp_path) as (room, three):
        status = Path(f"/proc/{three.orchestrator}/status").read_text()
        ignored = int(status.split("SigIgn:")[1].split()[0], 16)
        assert ignored & 1 << (signal.SIGINT - 1)
        os.kill(three.front, signal.SIGTERM)
        assert room.wait(SOON_S) == 2


def test_ended_children_inherited_as_ignored_are_seen(tmp_path: Path) -> None:
    """A parent that ignores SIGCHLD does not cost the exit code."""
    ignore = "import os, signal, sys; signal.signal(17, signal.SIG_IGN); os.execv(*sys.argv[1:2], sys.argv[1:])"
    command = [sys.executable, "-c", ignore, *stand_in(tmp_path, "--exit", "7")]
    with Subreaper(command, cwd=TESTS) as room:
        assert room.wait(SOON_S) == 7


def test_front_and_keeper_hold_none_of_the_users_files(tmp_path: Path) -> None:
    """``orchcore run | tee`` and locks held open wait for the orchestrator alone."""
    with started(stand_in(tmp_path), tmp_path) as (room, three):
        own = {os.devnull}
        assert set(open_files(three.keeper)) == own
        until(
            lambda: {link for link in open_files(three.front) if "pidfd" not in link} == own, room
        )


def open_files(pid: int) -> list[str]:
    return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


@pytest.mark.parametrize("option", ["--obey", "--slow-stop"])
def test_job_control_works_in_an_interactive_shell(tmp_path: Path, option: str) -> None:
    """^Z stops both before the shell says so, ``fg`` continues both, ^C ends them."""
    shell = ["bash", "--norc", "--noprofile", "-i"]
    command = " ".join(stand_in(tmp_path, "--obey", option))
    with Subreaper(shell, cwd=TESTS, terminal=True) as room:
        keys = room.terminal
        keys.type(f"{command}; echo code=$?.\n".encode())
        until((tmp_path / "ready").exists, room)
        three = room.three(SOON_S)
        keys.type(b"\x1a")
        keys.read_until("Stopped", SOON_S)
        assert is_stopped(three.orchestrator)
        assert is_stopped(three.front)
        keys.type(b"fg; echo code=$?.\n")
        until(lambda: not is_stopped(three.orchestrator) and not is_stopped(three.front), room)
        keys.type(b"\x03")
        keys.read_until("code=2.", SOON_S)
        keys.type(b"exit\n")
        assert room.left_after(GONE_WITHIN_S) == []


def test_without_a_shell_above_a_stop_from_the_keyboard_does_not_last(tmp_path: Path) -> None:
    """In a container or with ``ssh -t`` nobody could continue it: front does."""
    with started(stand_in(tmp_path), tmp_path, terminal=True) as (room, three):
        room.terminal.type(b"\x1a")
        until(partial(has_come, tmp_path, "SIGCONT"), room)
        assert not is_stopped(three.front)
        assert not is_stopped(three.orchestrator)


def test_a_program_with_threads_is_not_split() -> None:
    """A fork copies one thread only, so ``guard`` does nothing and says so."""
    code = (
        "import os, threading; from orchcore.agents.keeper import guard;"
        "stay = threading.Event(); thread = threading.Thread(target=stay.wait); thread.start();"
        "before = os.getpid(); print(guard(), os.getpid() == before); stay.set(); thread.join()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("processes", [1, 2])
def test_without_a_process_to_spare_the_program_goes_on_alone(processes: int) -> None:
    """The second and the third process may fail to start; the caller runs once, as it was."""
    code = (
        "import ctypes, os, resource, signal, sys; from orchcore.agents.keeper import guard;"
        "os.getuid() or os.setuid(54321);"  # the limit does not hold for root
        "resource.setrlimit(resource.RLIMIT_NPROC, (int(sys.argv[1]),) * 2);"
        "before = os.getpid(); guarded = guard();"
        "print(guarded, os.getpid() == before, signal.pthread_sigmask(0, []))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(processes)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "set()"]


def test_a_process_says_whether_it_adopts() -> None:
    """``adopt`` holds for the process that calls it; the tests themselves adopt nobody."""
    assert not orphans.is_subreaper()
    code = "from orchcore.agents import orphans; orphans.adopt(); print(orphans.is_subreaper())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
