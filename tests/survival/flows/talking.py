"""An agent that says something twice a second for eight seconds, under narrow limits."""

from orchcore import Agent, agent


@agent("worker", idle="2s", timeout="12s")
async def work(ai: Agent) -> str:
    return await ai.ask("go")
