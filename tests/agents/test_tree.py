import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import orchcore.agents.tree as tree_module
from agents.test_process import alive, eventually, pids_in, program, sh, started
from orchcore.agents.process import child_process
from orchcore.agents.process_table import ProcessEntry, ProcessTable, send
from orchcore.agents.tree import Trees, is_subreaper


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def never_sent(entry: ProcessEntry, number: signal.Signals) -> bool:
    """A ``send`` that is not allowed to."""
    del entry, number
    return False


async def test_fifty_trees_end_at_once_in_a_few_looks(tmp_path: Path) -> None:
    """Ending many is hardly slower than ending one."""
    trees = Trees()
    ready = asyncio.Barrier(51)
    over = asyncio.Event()

    async def hold() -> None:
        command = "setsid sh -c 'echo $$ >>pids; sleep 300' & echo $$ >>pids; sleep 300"
        async with started(sh(command), tmp_path, trees):
            await ready.wait()
            await over.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(hold(), name=f"tree {number}")
        await ready.wait()
        pids = await pids_in(tmp_path / "pids", 100)
        looks = trees._begun
        over.set()
        began_s = time.monotonic()
    assert not any(alive(pid) for pid in pids)
    assert trees._begun - looks < 50
    assert time.monotonic() - began_s < 10  # aimed at well under 5 s, on a loaded machine


async def test_hurry_kills_also_what_is_waited_for_already(tmp_path: Path) -> None:
    """A long grace is cut short for all trees."""
    trees = Trees()

    async def hold() -> None:
        command = "trap '' TERM; echo $$ >>pids; while :; do sleep 1; done"
        async with child_process(program(sh(command), tmp_path, grace_s=600.0), trees):
            await pids_in(tmp_path / "pids", 1)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(hold(), name="deaf")
        (pid,) = await pids_in(tmp_path / "pids", 1)
        await asyncio.sleep(0.1)
        assert alive(pid)
        trees.hurry()
    assert not alive(pid)


async def test_trees_are_stopped_and_continued(tmp_path: Path) -> None:
    """SIGTSTP for us is SIGSTOP for all of them, other sessions included."""
    trees = Trees()
    command = "setsid sh -c 'echo $$ >>pids; sleep 300' & echo $$ >>pids; wait"
    async with started(sh(command), tmp_path, trees):
        pids = await pids_in(tmp_path / "pids", 2)
        trees.stop_all()
        await eventually(lambda: {state_of(pid) for pid in pids} == {"T"})
        trees.continue_all()
        await eventually(lambda: {state_of(pid) for pid in pids} == {"S"})
        trees.stop_all()
    assert not any(alive(pid) for pid in pids)


async def test_what_cannot_be_ended_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leftovers carry number and command; they are given up once."""
    trees = Trees()
    with monkeypatch.context() as patched:
        patched.setattr(tree_module, "send", never_sent)
        patched.setattr(tree_module, "KILL_WAIT_S", 0.1)
        async with started(sh("exec sleep 300"), tmp_path, trees) as child:
            left = await trees.end(child.tree, grace_s=0.1)
            assert [(one.pid, one.command) for one in left] == [(child.pid, "sleep 300")]
            assert trees.leftovers == left
            assert await trees.end(child.tree, grace_s=0.1) == ()
            (entry,) = child.tree.members
            send(entry, signal.SIGKILL)


async def test_concurrent_looks_share_one_table(tmp_path: Path) -> None:
    """Many who ask at once get the same look, and never one that began before."""
    trees = Trees()
    tables: list[ProcessTable] = []

    async def ask() -> None:
        tables.append(await trees.look())

    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(ask(), name=f"ask {number}")
    assert trees._begun <= 2
    async with started(sh("sleep 60"), tmp_path, trees) as child:
        assert child.pid in (await trees.look()).entries


async def test_the_work_of_a_tree_is_measured(tmp_path: Path) -> None:
    """Processor time grows while a descendant works."""
    trees = Trees()
    async with started(sh("sh -c 'while :; do :; done'"), tmp_path, trees) as child:
        before_s = await trees.cpu_s(child.tree, max_age_s=0)
        async with asyncio.timeout(20):
            while await trees.cpu_s(child.tree) < before_s + 0.1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


ORCHESTRATOR = """
import asyncio, ctypes, os, pathlib, subprocess, sys
sys.path.insert(0, sys.argv[1])
from agents.test_process import alive, everything, pids_in, sh, started
from orchcore.agents.tree import Trees, is_subreaper

async def main():
    folder = pathlib.Path.cwd()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    trees = Trees()
    own = subprocess.Popen(["sleep", "300"])
    # Away from session, parent, environment and mark at once, before anybody can look.
    away = "prlimit --locks=unlimited env -i setsid sh -c '(sh -c \\"echo \\\\$\\\\$ >>pids; exec sleep 300\\" &)'"
    async with started(sh(away), folder, trees) as child:
        await everything(child)
    (pid,) = await pids_in(folder / "pids", 1)
    print(is_subreaper(), alive(pid), end=" ")
    print(await trees.sweep_orphans(0.5), alive(pid), own.poll(), end=" ")
    own.kill()
    print(own.wait(), end=" ")
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no zombies")

asyncio.run(main())
"""


def test_a_subreaper_sweeps_what_escaped(tmp_path: Path) -> None:
    """What came to us is ended and reaped; what our own code started is not touched."""
    tests = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", ORCHESTRATOR, tests],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("True True () False None -9 no zombies\n", "")


async def test_nothing_is_swept_without_a_subreaper() -> None:
    """Elsewhere our other children are none of our business."""
    assert not is_subreaper()
    child = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        assert await Trees().sweep_orphans() == ()
        assert alive(child.pid)
    finally:
        child.kill()
        await child.wait()
