"""How long ``orchcore run`` takes to end 50 agents, beside bare SIGKILL of the same 50 trees.

Run it: ``python tests/benchmarks/bench_stop.py``. Each agent is a shell whose tool sleeps in a
session of its own. Exits 1 if it takes more than 5 s where ten agents ignore polite signals, or
more than 2 s where none does, from SIGINT to the end of the whole program.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from survival.stage import HERE, SOON_S, Project, is_there

AGENTS = 50
ROUNDS = 3
LIMITS_S = {0: 2.0, 10: 5.0}


def ours_s(folder: Path, deaf: int) -> tuple[float, float]:
    """Seconds from SIGINT until all trees are gone, and until the program has ended."""
    project = Project.of("many", folder)
    with project.run("--deaf", str(deaf)) as room:
        pids = project.agents(AGENTS, room)
        time.sleep(0.5)
        began_s = time.perf_counter()
        os.kill(room.pid, signal.SIGINT)
        gone_s = until_gone(pids) - began_s
        assert room.wait(SOON_S) == 2, room.output()
        ended_s = time.perf_counter() - began_s
        assert room.left_after(0) == []
    return gone_s, ended_s


def bare_s(folder: Path, deaf: int) -> float:
    """Seconds from the first SIGKILL until the same trees are gone, their pids being known."""
    agents = [
        subprocess.Popen(
            ["/bin/sh", str(HERE / "agent.sh"), f"{'deaf' if number < deaf else 'plain'} {number}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in range(AGENTS)
    ]
    ready = folder / "ready"
    wait(lambda: ready.exists() and len(list(ready.glob("*"))) == AGENTS)
    pids = {int(pid) for file in ready.glob("*") for pid in file.read_text().split()}
    time.sleep(0.5)
    began_s = time.perf_counter()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    gone_s = until_gone(pids) - began_s
    for agent in agents:
        agent.wait()
    return gone_s


def until_gone(pids: Iterable[int]) -> float:
    """When the last of *pids* was gone, on the performance counter."""
    left = set(pids)
    while left := {pid for pid in left if is_there(pid)}:
        time.sleep(0.002)
    return time.perf_counter()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def main() -> int:
    """Prints the figures; gives 1 if a limit is passed."""
    failed = False
    print(f"ending {AGENTS} agents, each with a tool in a session of its own; best of {ROUNDS}")
    with tempfile.TemporaryDirectory() as name:
        for deaf, limit_s in LIMITS_S.items():
            bare: list[float] = []
            ours: list[tuple[float, float]] = []
            for number in range(ROUNDS):
                for how in ("bare", "ours"):
                    folder = Path(name) / f"{deaf}-{number}-{how}"
                    folder.mkdir()
                    if how == "bare":
                        bare.append(bare_s(folder, deaf))
                    else:
                        ours.append(ours_s(folder, deaf))
            gone_s, ended_s = min(gone for gone, _ in ours), min(ended for _, ended in ours)
            failed |= ended_s > limit_s
            print(f"\n{deaf} of them ignore SIGTERM (they have 2 s)")
            print(f"bare SIGKILL to all gone      {min(bare) * 1000:7.0f} ms")
            ratio = gone_s / min(bare)
            print(f"SIGINT to all gone            {gone_s * 1000:7.0f} ms   ratio {ratio:.1f}")
            print(f"SIGINT to the program's end   {ended_s * 1000:7.0f} ms   limit {limit_s:g} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
