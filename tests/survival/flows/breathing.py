"""An agent that shows life twice a second for three seconds, under narrow limits."""

from orchcore import Agent, agent


@agent("demo", idle="2s", timeout="5s")
async def work(ai: Agent) -> str:
    return await ai.ask("demo: spawn-tool 600\ndemo: sleep 3")
