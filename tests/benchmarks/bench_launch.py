"""What our launch of 50 agents at once costs over a bare ``create_subprocess_exec``.

Run it: ``python tests/benchmarks/bench_launch.py``. Exits 1 if it is more than 3 ms per launch.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import uuid4

from orchcore.agents.adapters.protocol import Capabilities, Ending, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import AgentEvent, FinalGiven, TextWritten
from orchcore.results import Failure, TurnResult

LAUNCHES = 50
ROUNDS = 12
LIMIT_MS = 3.0
ARGV = ("/bin/sh", "-c", "echo hello")


class PlainAdapter:
    """The cheapest adapter there can be."""

    name = "plain"
    program = ARGV[0]
    capabilities = Capabilities()
    versions = Versions()
    login_env = ()

    def command(self, invocation: Invocation) -> Launch:
        del invocation
        return Launch(argv=ARGV)

    def parser(self, invocation: Invocation) -> "PlainParser":
        del invocation
        return PlainParser()


class PlainParser:
    """Takes the first line for the answer."""

    def __init__(self) -> None:
        self.text = ""

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        self.text = line.decode()
        return (TextWritten(self.text), FinalGiven(ok=True))

    def finish(self, ending: Ending) -> TurnResult:
        failure = None if ending.exit_code == 0 else Failure("crashed", "it crashed")
        return TurnResult(text=self.text, failure=failure)


async def bare(folder: Path) -> None:
    """Starts the program as asyncio does, and reads what it prints."""
    process = await asyncio.create_subprocess_exec(
        *ARGV,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    stdout, _ = await process.communicate()
    assert stdout == b"hello\n"


def turn_of(runner: LocalTurnRunner) -> Callable[[Path], Awaitable[None]]:
    """Starts the program as a turn: files, environment, process tree and all."""

    async def turn(folder: Path) -> None:
        invocation = Invocation("plain", "plain", "hello?", folder, folder, folder, uuid4().hex)
        result = await runner.run(invocation, lambda _: None)
        assert result.text == "hello", result

    return turn


async def ms_per_launch(one: Callable[[Path], Awaitable[None]], folder: Path) -> float:
    """Wall time of ``LAUNCHES`` at once, from the first start to the last end, per launch."""
    mine = [folder / uuid4().hex for _ in range(LAUNCHES)]
    for each in mine:
        each.mkdir()
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for each in mine:
            group.create_task(_await(one(each)), name=f"launch in {each.name}")
    return (time.perf_counter() - began_s) / LAUNCHES * 1000


async def _await(work: Awaitable[None]) -> None:
    await work


async def measure() -> tuple[float, float]:
    """Milliseconds per launch, bare and ours: the best of several alternating rounds."""
    trees = Trees()
    turn = turn_of(LocalTurnRunner({"plain": PlainAdapter()}, trees, os.environ))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await bare(folder)
        await turn(folder)
        rounds = [
            (await ms_per_launch(bare, folder), await ms_per_launch(turn, folder))
            for _ in range(ROUNDS)
        ]
    return min(bare_ms for bare_ms, _ in rounds), min(ours_ms for _, ours_ms in rounds)


def main() -> int:
    """Prints the figures; gives 1 if a launch costs more than ``LIMIT_MS`` over a bare one."""
    bare_ms, ours_ms = asyncio.run(measure())
    difference_ms = ours_ms - bare_ms
    print(f"{LAUNCHES} launches at once, best of {ROUNDS} rounds")
    print(f"bare create_subprocess_exec  {bare_ms:6.2f} ms per launch")
    print(f"a turn of orchcore           {ours_ms:6.2f} ms per launch")
    print(f"difference                   {difference_ms:6.2f} ms   ratio {ours_ms / bare_ms:.2f}")
    print(f"limit                        {LIMIT_MS:6.2f} ms")
    return int(difference_ms > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
