"""An agent that shows life twice a second for four seconds, under narrow limits."""

from orchcore import Agent, agent


@agent("demo", idle="2s", timeout="8s")
async def work(ai: Agent) -> str:
    return await ai.ask("demo: spawn-tool 600\ndemo: sleep 4")
