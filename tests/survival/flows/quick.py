"""One agent that answers at once."""

from orchcore import Agent, agent


@agent("demo")
async def work(ai: Agent) -> str:
    return await ai.ask("hello")
