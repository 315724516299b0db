"""Conditions and joins: the small change takes the quick way, the risky one the long way."""

from typing import Literal, assert_type

from pydantic import BaseModel

from orchcore import Agent, Condition, Source, agent, approve, each, param, phase, use


class Triage(BaseModel):
    size: Literal["small", "large"]
    risky: bool
    labels: list[str]


class Quick(BaseModel):
    diff: str


class Deep(BaseModel):
    diff: str
    proof: str


@agent
async def triage(ai: Agent, issue: str = param()) -> Triage:
    return await ai.ask(f"Triage: {issue}", Triage)


@agent
async def threats(ai: Agent, triage: Triage = use(triage)) -> list[str]:
    return await ai.ask(f"Threats of {triage.labels}?", list[str])


small = triage.where(lambda t: t.size == "small")
risky = triage.where(lambda t: t.risky) | threats.where(lambda found: len(found) > 3)


@agent(when=small & ~risky)
async def quick(ai: Agent, triage: Triage = use(triage)) -> Quick:
    return await ai.ask(f"Fix {triage.labels}", Quick)


@agent(when=~(small & ~risky), timeout="2h")
async def deep(ai: Agent, triage: Triage = use(triage)) -> Deep:
    return await ai.ask(f"Fix and prove {triage.labels}", Deep)


either = quick | deep
gate = approve(either, lambda patch: f"Merge {patch.diff}?")


@phase
async def merge(
    patch: Quick | Deep = use(gate), proof: str = use(either.pick(lambda p: p.diff))
) -> str:
    if isinstance(patch, Deep):
        return patch.proof + proof
    return patch.diff


@phase(parallel=2)
async def announce(
    channel: Literal["mail", "chat"] = each(param(["mail", "chat"])),
    tone: Literal["dry", "warm"] = each(["dry", "warm"]),
) -> str:
    return f"{channel}: {tone}"


assert_type(small, Condition)
assert_type(risky & small | ~small, Condition)
assert_type(either, Source[Quick | Deep])
assert_type(use(either), Quick | Deep)
assert_type(use(quick | quick), Quick)
assert_type(use(merge | either), str | Quick | Deep)
