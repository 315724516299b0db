"""Three agents that share a resource; one of them ignores polite signals."""

from collections.abc import AsyncIterator
from pathlib import Path

from orchcore import Agent, agent, each, resource, use


@resource
async def database() -> AsyncIterator[str]:
    try:
        yield "it"
    finally:
        (Path(__file__).parent / "closed").touch()


@agent("worker", parallel=3)
async def work(ai: Agent, number: int = each(range(3)), db: str = use(database)) -> str:
    return await ai.ask(f"{'plain' if number else 'deaf'} {number} {db}")
