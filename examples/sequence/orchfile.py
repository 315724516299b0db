"""A sequence: each phase takes what the one before gives, and a type checker reads along.

    orchcore run examples/sequence --topic "tea"

`use` is the only wire; rename a field of Outline, and mypy names every place to mend.
"""

from pydantic import BaseModel

from orchcore import Agent, agent, param, phase, use


class Outline(BaseModel):
    title: str
    sections: list[str]


@agent
async def outline(ai: Agent, topic: str = param("tea", help="what to write about")) -> Outline:
    return await ai.ask(f"Outline a short article about {topic}.", Outline)


@agent
async def draft(ai: Agent, outline: Outline = use(outline)) -> str:
    return await ai.ask(f"Write '{outline.title}': {outline.sections}")


@phase
async def length(text: str = use(draft)) -> int:
    return len(text.split())
