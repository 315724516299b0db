"""Bodies in Python code that gives nobody a turn."""

# ruff: noqa: ASYNC110, ASYNC240, ASYNC251  it blocks on purpose

import asyncio
import time
from pathlib import Path

from orchcore import Agent, agent, phase


@agent("worker")
async def work(ai: Agent) -> str:
    return await ai.ask("plain 0")


@phase(tags=["loop"])
async def loop() -> None:
    while not Path("ready/0").exists():
        await asyncio.sleep(0.01)
    Path("blocked").touch()
    time.sleep(600)


@phase(tags=["thread"])
async def thread() -> None:
    await asyncio.to_thread(_sleep)


def _sleep() -> None:
    Path("blocked").touch()
    time.sleep(600)
