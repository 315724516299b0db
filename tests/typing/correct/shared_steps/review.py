"""Reviews: a step for bodies, and a factory of phases."""

from pydantic import BaseModel

from orchcore import Agent, FanOut, Source, agent, each


class Review(BaseModel):
    notes: list[str]
    score: int


@agent.step(timeout="10m", permission="read-only")
async def review_patch(ai: Agent, diff: str, lens: str) -> Review:
    return await ai.ask(f"Review for {lens}: {diff}", Review)


@agent
async def strict_review(ai: Agent, diff: str, rules: list[str]) -> Review:
    return await ai.ask(f"Check {rules}: {diff}", Review)


def reviews(*lenses: str, at_once: int, of: Source[str]) -> FanOut[Review]:
    """A fan-out with one review per lens."""
    from orchcore import use

    return review_patch.parallel(at_once, diff=use(of), lens=each(lenses))
