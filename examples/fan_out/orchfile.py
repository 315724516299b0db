"""A fan-out over agents: the same question to several, at the same time; one answer is enough.

    orchcore run examples/fan_out
    orchcore run examples/fan_out --reviewer claude --reviewer codex

`strict` and `friendly` are agents configured in ../orchcore.toml.
"""

from pydantic import BaseModel

from orchcore import Agent, Err, Ok, Outcome, agent, each, param, phase, settled, use


class Opinion(BaseModel):
    approved: bool
    reason: str


@agent(each(param(["strict", "friendly"], name="reviewer")), parallel=4, quorum=1)
async def opinion(ai: Agent, text: str = param("Ship on Friday?")) -> Opinion:
    return await ai.ask(f"Do you approve? {text}", Opinion)


outcomes = settled(opinion)


@phase
async def tally(outcomes: list[Outcome[Opinion]] = use(outcomes)) -> list[str]:
    lines: list[str] = []
    for outcome in outcomes:
        match outcome:
            case Ok(key, said):
                lines.append(f"{key}: {'yes' if said.approved else 'no'}, {said.reason}")
            case Err(key, failure):
                lines.append(f"{key}: no answer ({failure.kind})")
    print(*lines, sep="\n")
    return lines
