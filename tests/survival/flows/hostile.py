"""An agent whose tools try to get away."""

from orchcore import Agent, agent


@agent("worker")
async def work(ai: Agent) -> str:
    return await ai.ask("go")
