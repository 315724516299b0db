"""Steps: called by bodies, or wired as phases of their own."""

from orchcore import Agent, agent, phase


@agent.step
async def polish(ai: Agent, text: str, style: str) -> str:
    return await ai.ask(f"Rewrite in a {style} style: {text}")


@phase.step
async def word_count(text: str) -> int:
    return len(text.split())
