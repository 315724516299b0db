"""What orchcore adds to a phase that does nothing, beside what others add.

1,000 independent phases and a chain of 100, without and with the journal; bare ``TaskGroup`` and
``Semaphore`` beside it, and pydantic-graph, LangGraph, Prefect, Dagster and DBOS where they are
installed (``uv sync --group benchmarks``). Limits: 0.25 ms per phase without the journal, 0.6 ms
with it; 0.1 ms that the journal adds to an event; 6 times as fast as DBOS, which records, too.
Everything is measured in this one process run, the best of three rounds each.
"""

import asyncio
import gc
import importlib.util
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from others import OTHERS

from orchcore import phase, use
from orchcore.collection.gathering import gather_nodes
from orchcore.config import Config
from orchcore.execution.control import Control
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.reader import read_run
from orchcore.pipeline import RunSetup, execute
from orchcore.planning.drafting import Request, draft
from orchcore.run_result import RunResult

ROUNDS = 3
WIDE, LONG = 1_000, 100
LIMIT_MS = {False: 0.25, True: 0.6}
LIMIT_EVENT_MS = 0.1
LEAST_RATIO = 6.0


def _wide() -> dict[str, Any]:
    nodes: dict[str, Any] = {}
    for number in range(WIDE):

        @phase
        async def nothing() -> int:
            return 1

        nodes[f"n{number}"] = nothing
    return nodes


def _long() -> dict[str, Any]:
    @phase
    async def first() -> int:
        return 1

    nodes: dict[str, Any] = {"n0": first}
    for number in range(1, LONG):

        @phase
        async def nothing(value: int = use(nodes[f"n{number - 1}"])) -> int:
            return value

        nodes[f"n{number}"] = nothing
    return nodes


def _orchcore_ms(nodes: dict[str, Any], folder: Path, *, record: bool) -> tuple[float, float]:
    """Milliseconds per phase, and how many events each has in the record."""
    collection = gather_nodes(folder / "orchfile.py", nodes, Config())
    plan = draft(collection, Request())
    results: list[RunResult] = []

    async def run() -> None:
        results.append(await execute(plan, RunSetup(record=record), Control()))
        assert results[-1].ok

    took = _best_ms(run, len(nodes))
    if not record:
        return took, 0.0
    folder_of_run = ProjectFolder.seen(folder).find_run(results[-1].run)
    return took, len(read_run(folder_of_run).events) / len(nodes)


def _best_ms(run: Callable[[], Awaitable[None]], count: int) -> float:
    async def timed() -> float:
        began = time.perf_counter()
        await run()
        return time.perf_counter() - began

    return min(asyncio.run(timed()) for _ in range(ROUNDS)) / count * 1000


async def _bare() -> None:
    slots = asyncio.Semaphore(8)

    async def nothing() -> None:
        async with slots:
            pass

    async with asyncio.TaskGroup() as group:
        for number in range(WIDE):
            group.create_task(nothing(), name=f"n{number}")


def main() -> int:
    """Prints ms per phase and ratios; 1 if orchcore is above a limit."""
    bare = _best_ms(_bare, WIDE)
    print(f"{'bare TaskGroup + Semaphore':44} {bare:8.4f} ms per phase")
    failed = False
    recorded: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, made in (("1,000 independent", _wide), ("chain of 100", _long)):
            without, nodes = 0.0, made()
            gc.collect()  # what the scene before left
            for record in (False, True):
                took, events = _orchcore_ms(nodes, Path(folder), record=record)
                failed |= took > LIMIT_MS[record]
                title = f"orchcore, {name}, {'with' if record else 'no'} journal"
                print(
                    f"{title:44} {took:8.4f} ms per phase   {took / bare:7.1f} x bare"
                    f"   (limit {LIMIT_MS[record]} ms)"
                )
                if record:
                    recorded.append(took)
                    added = (took - without) / events
                    title = f"{'  what the journal adds':44} {added:8.4f} ms per event"
                    print(f"{title}   ({events:.1f} events per phase; limit {LIMIT_EVENT_MS} ms)")
                    failed |= name != "chain of 100" and added > LIMIT_EVENT_MS
                without = took
    for name, (module, measure) in OTHERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{name:44} not installed: uv sync --group benchmarks")
            continue
        try:
            took = measure()
        except Exception as error:  # noqa: BLE001  another project's release may not start at all
            print(f"{name:44} cannot be measured: {type(error).__name__}: {str(error)[:80]}")
            continue
        print(f"{name + ', in a row':44} {took:8.4f} ms per phase   {took / bare:7.1f} x bare")
        if name == "DBOS":
            ratios = [took / ours for ours in recorded]
            print(f"  orchcore with journal: {ratios[0]:.1f} x as fast, chain {ratios[1]:.1f} x")
            failed |= ratios[0] < LEAST_RATIO
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
