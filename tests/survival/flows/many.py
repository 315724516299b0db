"""Fifty agents at once; every fifth ignores polite signals."""

from orchcore import Agent, agent, each


@agent("worker", parallel=50)
async def work(ai: Agent, number: int = each(range(50))) -> str:
    kind = "plain" if number % 5 else "deaf"
    return await ai.ask(f"{kind} {number}")
