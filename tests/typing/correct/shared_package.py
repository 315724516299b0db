"""A pipeline of shared phases: wired twice, by hand and by a factory."""

from typing import assert_type

from orchcore import Agent, FanOut, Source, agent, param, phase, use
from shared_steps import Review, review_patch, strict_review
from shared_steps.review import reviews


@agent(permission="edit")
async def implement(ai: Agent, task: str = param()) -> str:
    return await ai.ask(task)


by_lens = reviews("speed", "style", at_once=2, of=implement)
strict = strict_review.wired(use(implement), rules=param(["no globals"], name="rule"))
house = strict_review.wired(diff=use(implement), rules=["short functions"])
one = review_patch.wired(diff=use(implement), lens="naming")


@phase
async def verdict(
    lensed: list[Review] = use(by_lens),
    strict: Review = use(strict),
    house: Review = use(house),
    named: Review = use(one),
) -> int:
    return min(review.score for review in [*lensed, strict, house, named])


_source: Source[Review] = strict
assert_type(by_lens, FanOut[Review])
assert_type(use(strict), Review)
assert_type(use(one), Review)
assert_type(use(verdict), int)
