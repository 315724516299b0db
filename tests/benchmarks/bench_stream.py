"""What reading an agent's stream costs: process, splitter, parser, events, record on disk.

Run it: ``python tests/benchmarks/bench_stream.py``. Beside it, in the same run: a loop that pipes,
splits and parses with pydantic-core and does nothing else, and the ``AgentRunner`` of the package
``orchcore`` 3.0.2 on PyPI, in a virtual environment of its own (left out where there is none to
install it from). Exits 1 if a limit is missed.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
from pydantic_core import from_json

from orchcore.agents.adapters.claude import ClaudeAdapter
from orchcore.agents.invocation import Invocation, Listener
from orchcore.agents.tree import Trees
from orchcore.agents.turn import LocalTurnRunner
from orchcore.events import AgentEvent, TextWritten
from orchcore.results import TurnResult

LINES, LINE_BYTES = 50_000, 330
BIG_LINES, BIG_BYTES = 200, 1_000_000
AGENTS, AGENT_LINES = 200, 1_000
ROUNDS = 5
TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Limits:
    """What must be reached.

    Attributes:
        times_rival: Lines per second over the rival's.
        share_of_loop: Lines per second over the bare loop's.
        big_mb_s: MB/s of big lines, or half of the bare loop's.
        p99_ms, worst_ms: How late a ticker on the same event loop may be.
        agent_mib: Memory per agent.
    """

    times_rival: float = 6.0
    share_of_loop: float = 0.25
    big_mb_s: float = 300.0
    p99_ms: float = 5.0
    worst_ms: float = 20.0
    agent_mib: float = 1.0


LIMITS = Limits()

RIVAL = """
import asyncio, sys, time
from pathlib import Path
from orchcore.registry.agent import AgentConfig, OutputExtraction
from orchcore.runner.subprocess import AgentRunner
from orchcore.stream.events import StreamFormat

program, folder, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
agent = AgentConfig(
    name="claude", binary=program, model="m", subcommand="-p", stream_format=StreamFormat.CLAUDE,
    output_extraction=OutputExtraction(strategy=OutputExtraction.Strategy.JQ_FILTER),
    version_command=(), prompt_via="stdin",
)
events = []
def run():
    began = time.perf_counter()
    asyncio.run(AgentRunner().run(agent, "go", folder / "out.md", on_event=events.append))
    return time.perf_counter() - began
print(min(run() for _ in range(rounds)))
"""


def stream(lines: int, line_bytes: int) -> bytes:
    """A good turn of Claude Code with *lines* lines of text of *line_bytes* bytes each."""
    init: dict[str, object] = {
        "type": "system",
        "subtype": "init",
        "session_id": "s",
        "model": "m",
        "tools": [],
    }
    said = {
        "type": "assistant",
        "message": {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": ""}]},
        "parent_tool_use_id": None,
        "session_id": "00000000-0000-4000-8000-000000000000",
    }
    empty = json.dumps(said, separators=(",", ":"))
    line = empty.replace('"text":""', f'"text":"{"x" * (line_bytes - len(empty) - 1)}"')
    end = {"type": "result", "subtype": "success", "is_error": False, "result": "done"}
    whole = [json.dumps(init), *[line] * lines, json.dumps(end)]
    return "".join(f"{one}\n" for one in whole).encode()


def program(folder: Path, content: bytes) -> Path:
    """A program that prints *content* as fast as it can."""
    data, path = folder / f"{uuid4().hex}.jsonl", folder / uuid4().hex
    data.write_bytes(content)
    path.write_text(f"#!/bin/sh\nexec cat {data}\n")
    path.chmod(0o700)
    return path


def loop_s(path: Path) -> float:
    """A pipe, a splitter and a parser, and nothing else."""
    began_s, rest, count = time.perf_counter(), b"", 0
    with subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 2**16):
            *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
            for line in lines:
                count += from_json(line)["type"] == "assistant"
    assert count
    return time.perf_counter() - began_s


async def turn(path: Path, folder: Path, listener: Listener) -> TurnResult:
    """A turn of the real adapter whose program is *path*."""
    mine = folder / uuid4().hex
    mine.mkdir()
    runner = LocalTurnRunner({"claude": ClaudeAdapter()}, Trees(), os.environ)
    asked = Invocation("c", "claude", "go", folder, mine, mine, uuid4().hex, program=str(path))
    result = await runner.run(asked, listener)
    assert result.failure is None, result.failure
    return result


class Texts:
    """Counts texts, as a display does."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: AgentEvent) -> None:
        self.count += isinstance(event, TextWritten)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late a ticker was, in milliseconds."""

    p99_ms: float
    worst_ms: float


async def _ticking(late_ms: list[float]) -> None:
    while True:
        began_s = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_ms.append((time.perf_counter() - began_s - TICK_S) * 1000)


async def measured(path: Path, folder: Path, count: int) -> tuple[float, Lateness]:
    """Seconds of one turn with *count* texts, and how late a concurrent ticker was."""
    late_ms: list[float] = []
    ticker = asyncio.get_running_loop().create_task(_ticking(late_ms), name="ticker")
    texts = Texts()
    began_s = time.perf_counter()
    await turn(path, folder, texts)
    took_s = time.perf_counter() - began_s
    ticker.cancel()
    assert texts.count == count, texts.count
    late_ms.sort()
    return took_s, Lateness(late_ms[int(len(late_ms) * 0.99)], late_ms[-1])


async def crowd(path: Path, folder: Path) -> tuple[float, int]:
    """MiB per agent that the orchestrator grows by, and how many lines were lost."""
    texts = Texts()
    process = psutil.Process()
    before, most = process.memory_info().rss, 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.02)

    watcher = asyncio.get_running_loop().create_task(watch(), name="memory")
    async with asyncio.TaskGroup() as group:
        for number in range(AGENTS):
            group.create_task(turn(path, folder, texts), name=f"agent {number}")
    watcher.cancel()
    return (most - before) / AGENTS / 2**20, AGENTS * AGENT_LINES - texts.count


@contextmanager
def rival(folder: Path) -> Generator[Callable[[Path], float | None]]:
    """Measures the other package's runner, ``None`` where it cannot be installed."""
    venv.create(folder / "rival", with_pip=True)
    python = folder / "rival" / "bin" / "python"
    wanted = [str(python), "-m", "pip", "install", "--quiet", "orchcore==3.0.2"]
    installed = subprocess.run(wanted, capture_output=True, check=False).returncode == 0

    def seconds(path: Path) -> float | None:
        if not installed:
            return None
        command = [str(python), "-c", RIVAL, str(path), str(folder), str(ROUNDS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return float(done.stdout) if done.returncode == 0 else None

    yield seconds


def main() -> int:
    """Prints the figures; gives 1 if one misses its limit."""
    missed: list[str] = []

    def told(text: str, *, good: bool) -> None:
        print(text if good else f"{text}   MISSED")
        if not good:
            missed.append(text)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many = program(folder, stream(LINES, LINE_BYTES))
        rounds = [
            (loop_s(many), *asyncio.run(measured(many, folder, LINES))) for _ in range(ROUNDS)
        ]
        bare_s, ours_s = min(one[0] for one in rounds), min(one[1] for one in rounds)
        late = [one[2] for one in rounds]
        print(f"{LINES} lines of {LINE_BYTES} bytes, best of {ROUNDS}")
        print(f"pipe, split, parse   {LINES / bare_s:10,.0f} lines/s")
        share = bare_s / ours_s
        told(
            f"a turn of orchcore   {LINES / ours_s:10,.0f} lines/s   {share:.2f} x bare",
            good=share >= LIMITS.share_of_loop,
        )
        with rival(folder) as seconds:
            rival_s = seconds(many)
        if rival_s is None:
            print("PyPI orchcore 3.0.2: not to be had here")
        else:
            times = rival_s / ours_s
            print(f"PyPI orchcore 3.0.2  {LINES / rival_s:10,.0f} lines/s")
            told(f"                     {times:10.1f} x of it", good=times >= LIMITS.times_rival)
        p99_ms, worst_ms = min(one.p99_ms for one in late), min(one.worst_ms for one in late)
        told(
            f"a ticker beside it was late by {p99_ms:.2f} ms (p99), {worst_ms:.2f} ms (worst)",
            good=p99_ms < LIMITS.p99_ms and worst_ms < LIMITS.worst_ms,
        )
        big = program(folder, stream(BIG_LINES, BIG_BYTES))
        pairs = [
            (loop_s(big), asyncio.run(measured(big, folder, BIG_LINES))[0]) for _ in range(ROUNDS)
        ]
        total_mb = BIG_LINES * BIG_BYTES / 1e6
        bare_mb_s, ours_mb_s = (total_mb / min(column) for column in zip(*pairs, strict=True))
        told(
            f"{BIG_LINES} lines of 1 MB: {ours_mb_s:.0f} MB/s, "
            f"{ours_mb_s / bare_mb_s:.2f} x bare ({bare_mb_s:.0f} MB/s)",
            good=ours_mb_s >= min(LIMITS.big_mb_s, bare_mb_s / 2),
        )
        few = program(folder, stream(AGENT_LINES, LINE_BYTES))
        mib, lost = asyncio.run(crowd(few, folder))
        told(
            f"{AGENTS} agents at once: {mib:.2f} MiB per agent, {lost} lines lost",
            good=mib < LIMITS.agent_mib and not lost,
        )
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
