"""Two conversations argue; a third decides. Sessions carry the arguments on."""

from pathlib import Path
from typing import assert_type

from pydantic import BaseModel

from orchcore import Agent, FanOut, RunResult, Source, agent, each, param, phase, run, run_sync, use


class Position(BaseModel):
    claim: str
    confidence: float


class Verdict(BaseModel):
    winner: str
    why: str


@agent("claude")
async def pro(ai: Agent, motion: str = param()) -> Position:
    return await ai.ask(f"Argue for: {motion}", Position)


@agent("codex")
async def contra(ai: Agent, motion: str = param()) -> Position:
    return await ai.ask(f"Argue against: {motion}", Position)


@agent
async def rebut_pro(ai: Agent = use(pro.session), other: Position = use(contra)) -> Position:
    return await ai.ask(f"Answer: {other.claim}", Position)


@phase
async def debate(
    one: Agent = use(pro.session), two: Agent = use(contra.session), rounds: int = param(3)
) -> list[str]:
    said: list[str] = []
    for _ in range(rounds):
        said.append(await one.ask(f"Answer: {said[-1:]}"))
        said.append(await two.ask(f"Answer: {said[-1:]}"))
    return said


@agent(parallel=3)
async def judge(
    ai: Agent, said: list[str] = use(debate), lens: str = each(["logic", "facts"])
) -> Verdict:
    return await ai.ask(f"Judge the {lens}: {said}", Verdict)


@agent(parallel=3)
async def explain(ai: Agent = each(judge.session), verdict: Verdict = each(judge)) -> str:
    return await ai.ask(f"Explain {verdict.winner}.")


@phase
async def count(judges: list[Agent] = use(judge.session)) -> int:
    return len(judges)


async def program() -> str:
    result = await run(judge, params={"motion": "tabs", "rounds": 2}, agent="demo")
    assert_type(result, RunResult)
    assert_type(result.value(judge), list[Verdict])
    assert_type(result.value(pro), Position)
    if result.state("pro") == "passed" and result.ok:
        return result.value(pro.pick(lambda p: p.claim))
    return ""


def sync_program(orchfile: Path) -> int:
    assert_type(run_sync(), RunResult)
    assert_type(run_sync(orchfile="orchfile.py", yes=True), RunResult)
    return run_sync("judge:1", orchfile=orchfile).exit_code


assert_type(pro.session, Source[Agent])
assert_type(judge.session, FanOut[Agent])
assert_type(use(judge.session), list[Agent])
assert_type(each(judge.session), Agent)
