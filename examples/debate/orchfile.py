"""A debate: two conversations, each opened by its own phase, go on in a third; a judge decides.

    orchcore run examples/debate --motion "tabs over spaces" --rounds 3

`pro.session` is the conversation in which `pro` ended: who takes it on need not tell it again.
"""

from typing import Literal

from pydantic import BaseModel

from orchcore import Agent, agent, param, phase, use

motion = param("tabs over spaces", help="what they argue about")


class Verdict(BaseModel):
    winner: Literal["pro", "contra"]
    why: str


@agent
async def pro(ai: Agent, motion: str = motion) -> str:
    return await ai.ask(f"You are for it: {motion}. Open the debate in one sentence.")


@agent
async def contra(ai: Agent, motion: str = motion) -> str:
    return await ai.ask(f"You are against it: {motion}. Open the debate in one sentence.")


@phase
async def debate(
    one: Agent = use(pro.session),
    two: Agent = use(contra.session),
    opening: str = use(contra),
    rounds: int = param(2),
) -> list[str]:
    said = [opening]
    for _ in range(rounds):
        said.append(await one.ask(f"Answer in one sentence: {said[-1]}"))
        said.append(await two.ask(f"Answer in one sentence: {said[-1]}"))
    return said


@agent
async def verdict(ai: Agent, said: list[str] = use(debate)) -> Verdict:
    return await ai.ask("Who won?\n" + "\n".join(said), Verdict)
