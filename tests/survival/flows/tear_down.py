"""A resource whose tear-down takes ten minutes."""

# ruff: noqa: ASYNC240, ARG001  marker files; a resource is used by being open

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from orchcore import Agent, agent, resource, use


@resource
async def database() -> AsyncIterator[str]:
    try:
        yield "it"
    finally:
        Path("closing").touch()
        try:
            await asyncio.sleep(600)
        finally:
            Path("closed").touch()


@agent("worker")
async def work(ai: Agent, db: str = use(database)) -> str:
    return await ai.ask("plain 0")
