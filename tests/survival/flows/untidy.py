"""All that bodies can leave behind, or end early."""

# ruff: noqa: ARG001  what is waited for needs no use

import asyncio
import time
from collections.abc import AsyncIterator

from orchcore import Agent, agent, command, each, gather, phase, resource, use

left: list[asyncio.Task[object]] = []


@resource(scope="instance")
async def scratch() -> AsyncIterator[str]:
    yield "scratch"
    await asyncio.sleep(0.01)


@phase
async def forgets_tasks() -> None:
    left.append(asyncio.create_task(asyncio.sleep(600)))
    left.append(asyncio.create_task(command("sleep", "600")))
    await asyncio.sleep(0.2)


@agent("demo")
async def forgets_turns(ai: Agent, scratch: str = use(scratch)) -> None:
    left.append(asyncio.create_task(ai.ask(f"{scratch}\ndemo: sleep 600")))
    await asyncio.sleep(0.2)


@agent("demo")
async def forgets_a_stream(ai: Agent) -> None:
    async for _ in ai.stream("demo: sleep 600"):
        return


@phase
async def fails() -> None:
    raise ValueError("on purpose")


@phase(timeout=0.3)
async def takes_too_long(scratch: str = use(scratch)) -> None:
    await gather([command("sleep", "600"), command("sleep", "600")])


@phase(timeout=0.1)
async def blocks() -> None:
    await asyncio.to_thread(time.sleep, 0.5)


@agent("demo", parallel=4, fail_fast=True)
async def fails_fast(ai: Agent, number: int = each(range(4))) -> str:
    return await ai.ask("demo: fail refused" if number == 2 else "demo: sleep 600")


@phase
async def never(nothing: None = use(fails)) -> None: ...


@phase
async def last(nothing: None = use(forgets_tasks)) -> None:
    await asyncio.sleep(0.5)
