"""What recording an event costs, next to bare ``sqlite3`` commits on the same disk.

Run it: ``python tests/benchmarks/bench_journal.py``. Exits 1 above 0.1 ms per event of 1,000
phases at once, or 0.3 ms for each of 100 commits one after another.
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from orchcore.events import AttemptStarted, Event, InstanceEnded, NodeEnded, TurnEnded, event_json
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.origin import Origin
from orchcore.journal.recorder import JournalRecorder
from orchcore.results import Usage

ROUNDS = 5
PHASES = 1000
CHAIN = 100
PAID = 20
LIMIT_AT_ONCE_MS = 0.1
LIMIT_CHAIN_MS = 0.3

type Measured = Callable[[JournalRecorder], Awaitable[int]]


def ended(number: int) -> NodeEnded:
    return NodeEnded(at=1.0, node=f"phase_{number}", state="passed", value='{"x": 1}', brief="x=1")


async def at_once(recorder: JournalRecorder) -> int:
    """Phases that run at the same time; three events each, one of them awaited."""

    async def phase(number: int) -> None:
        recorder.note(AttemptStarted(at=1.0, node=f"phase_{number}", attempt=1))
        recorder.note(InstanceEnded(at=1.0, node=f"phase_{number}", state="passed"))
        await recorder.commit(ended(number))

    async with asyncio.TaskGroup() as group:
        for number in range(PHASES):
            group.create_task(phase(number), name=f"phase-{number}")
    return PHASES * 3


async def notes(recorder: JournalRecorder) -> int:
    """What ``note`` costs the loop, with the writer working beside it."""
    for number in range(PHASES):
        recorder.note(ended(number))
    return PHASES


async def chain(recorder: JournalRecorder) -> int:
    """Phases one after another: each commit is awaited before the next."""
    for number in range(CHAIN):
        await recorder.commit(ended(number))
    return CHAIN


async def paid(recorder: JournalRecorder) -> int:
    """Turns one after another: each waits for the disk itself."""
    turn = TurnEnded(1.0, "a", 1, "turn-1", 1.0, "hi", '"hi"', None, Usage(), 0.1, None, 0)
    for _ in range(PAID):
        await recorder.commit(turn)
    return PAID


def bare(place: Path, events: list[Event], synchronous: str) -> float:
    """Milliseconds of one commit of one event by ``sqlite3`` alone."""
    connection = sqlite3.connect(place / f"{time.monotonic_ns()}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, at, kind, node, body)")
    start = time.perf_counter()
    for event in events:
        cells = (1.0, event.kind, "a", event_json(event))
        connection.execute("INSERT INTO events (at, kind, node, body) VALUES (?, ?, ?, ?)", cells)
    took_ms = (time.perf_counter() - start) * 1000 / len(events)
    connection.close()
    return took_ms


async def ours(place: Path, measured: Measured) -> float:
    """Milliseconds per event of *measured*."""
    folder = ProjectFolder.at(place).new_run()
    recorder = JournalRecorder.open(folder, Origin.here("orchfile.py"))
    await recorder.commit(ended(0))
    start = time.perf_counter()
    events = await measured(recorder)
    took_ms = (time.perf_counter() - start) * 1000 / events
    await recorder.close()
    return took_ms


def main() -> int:
    """Prints the best of some rounds of each, and its ratio to bare ``sqlite3``."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        events: list[Event] = [ended(number) for number in range(CHAIN)]
        normal_ms = min(bare(place, events, "NORMAL") for _ in range(ROUNDS))
        full_ms = min(bare(place, events[:PAID], "FULL") for _ in range(ROUNDS))
        print(f"bare sqlite3: {normal_ms:.3f} ms a commit (NORMAL), {full_ms:.3f} ms (FULL)")
        scenes: list[tuple[str, Measured, float]] = [
            ("note, loop's share", notes, normal_ms),
            (f"{PHASES} phases at once", at_once, normal_ms),
            (f"chain of {CHAIN} commits", chain, normal_ms),
            (f"chain of {PAID} paid turns", paid, full_ms),
        ]
        best = dict[str, float]()
        for title, measured, bare_ms in scenes:
            best[title] = min(asyncio.run(ours(place, measured)) for _ in range(ROUNDS))
            ratio = best[title] / bare_ms
            print(f"{title:24} {best[title]:.4f} ms per event, {ratio:.2f} x bare")
    at_once_ms, chain_ms = best[scenes[1][0]], best[scenes[2][0]]
    return int(at_once_ms > LIMIT_AT_ONCE_MS or chain_ms > LIMIT_CHAIN_MS)


if __name__ == "__main__":
    sys.exit(main())
