"""An agent that fails and is to be asked again in ten minutes."""

from orchcore import Agent, agent


@agent("demo", retries=3)
async def work(ai: Agent) -> str:
    return await ai.ask("demo: fail overloaded 600")
