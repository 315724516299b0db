"""Fifty agents that use the processor and say nothing for four times as long as ``idle``."""

from orchcore import Agent, agent, each


@agent("worker", parallel=50, idle="3s")
async def work(ai: Agent, number: int = each(range(50))) -> str:
    return await ai.ask(str(number))
