"""Fifty agents at once; some ignore polite signals."""

from orchcore import Agent, agent, each, param


@agent("worker", parallel=50)
async def work(
    ai: Agent,
    number: int = each(range(50)),
    deaf: int = param(10, help="how many ignore polite signals"),
) -> str:
    return await ai.ask(f"{'deaf' if number < deaf else 'plain'} {number}")
