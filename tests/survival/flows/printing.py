"""Bodies that print much more than a pipe holds, and an agent that waits until they have."""

# ruff: noqa: ASYNC240  a marker file

import asyncio
from pathlib import Path

from orchcore import Agent, agent, phase, use


@phase
async def chatter() -> int:
    for number in range(5_000):
        print(f"line {number} of a body that likes to talk")
        if number % 1000 == 0:
            await asyncio.sleep(0.01)
    Path("chattered").touch()
    return 1


@agent("demo")
async def work(ai: Agent, chattered: int = use(chatter)) -> str:
    return await ai.ask(f"{chattered}")
