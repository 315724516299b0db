"""Agents that misbehave, then a look at what they left behind."""

# ruff: noqa: ARG001, ASYNC110  what is waited for needs no use; a file is what it waits for

import asyncio
from pathlib import Path

from orchcore import Agent, agent, param, phase, settled, use

HERE = Path(__file__).parent


def memory_kib() -> int:
    """The most that this process has had so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@phase
async def begin() -> int:
    return memory_kib()


@agent("odd", idle="3s")
async def work(ai: Agent, begun: int = use(begin), size: int = param(10)) -> str:
    answer = await ai.ask("x" * size)
    (HERE / "answered").write_text(str(len(answer)))
    return answer


@phase
async def lag(begun: int = use(begin)) -> None:
    """How late the event loop wakes us up, while agents work."""
    loop, lags = asyncio.get_running_loop(), list[float]()
    while not (HERE / "settled").exists():
        asked_at = loop.time()
        await asyncio.sleep(0.01)
        lags.append(loop.time() - asked_at - 0.01)
    (HERE / "lags").write_text("\n".join(str(late) for late in sorted(lags)))


@phase
async def look(begun: int = use(begin), worked: object = use(settled(work))) -> None:
    (HERE / "grown").write_text(str(memory_kib() - begun))
    (HERE / "settled").touch()
    while not (HERE / "looked").exists():
        await asyncio.sleep(0.02)
