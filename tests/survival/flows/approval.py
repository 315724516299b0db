"""A person is asked while an agent works."""

from orchcore import Agent, agent, approve, phase, use


@agent("worker")
async def work(ai: Agent) -> str:
    return await ai.ask("plain 0")


@phase
async def draft() -> str:
    return "a draft"


approved = approve(draft, "Is it good?")


@phase
async def publish(text: str = use(approved)) -> str:
    return text
