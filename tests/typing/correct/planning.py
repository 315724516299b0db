"""A plan, audited in rounds until nobody finds anything, then approved and implemented."""

from typing import assert_type

from pydantic import BaseModel

from orchcore import Agent, Condition, FanOut, Source, agent, approve, gather, param, phase, use


class Plan(BaseModel):
    steps: list[str]
    open_questions: list[str]


class Audit(BaseModel):
    findings: list[str]
    blocking: bool


class Patch(BaseModel):
    diff: str


@agent.step(permission="read-only", timeout="10m")
async def audit(ai: Agent, plan: Plan, lens: str) -> Audit:
    return await ai.ask(f"Audit for {lens}: {plan.steps}", Audit)


@agent("claude", retries=2)
async def plan(
    ai: Agent,
    task: str = param(help="what to build"),
    rounds: int = param(3),
    lenses: list[str] = param(["security", "cost"], name="lens"),
) -> Plan:
    draft = await ai.ask(f"Plan: {task}", Plan)
    for _ in range(rounds):
        audits = await gather((audit(draft, lens) for lens in lenses), limit=3, quorum=1)
        assert_type(audits, list[Audit])
        findings = [finding for found in audits for finding in found.findings]
        if not findings:
            break
        draft = await ai.ask(f"Revise: {findings}", Plan)
    return draft


approved = approve(plan, lambda p: f"Implement these {len(p.steps)} steps?")
unclear = plan.where(lambda p: bool(p.open_questions))


@agent(permission="edit", timeout="30m", idle="5m", retries=1, when=~unclear)
async def implement(ai: Agent = use(plan.session), plan: Plan = use(approved)) -> Patch:
    assert_type(ai, Agent)
    return await ai.ask(f"Implement {plan.steps}", Patch)


@agent(parallel=2, when=~unclear, after=[approved])
async def attempts(ai: Agent, plan: Plan = use(approved)) -> Patch:
    return await ai.ask(f"Implement {plan.steps}", Patch)


@phase
async def count(steps: list[str] = use(plan.pick(lambda p: p.steps))) -> int:
    assert_type(steps, list[str])
    return len(steps)


_plan: Source[Plan] = plan
_attempts: FanOut[Patch] = attempts
_whole: Source[list[Patch]] = attempts
_first: Source[object] = plan
assert_type(approved, Source[Plan])
assert_type(unclear, Condition)
assert_type(plan.session, Source[Agent])
assert_type(attempts.session, FanOut[Agent])
assert_type(use(plan), Plan)
assert_type(use(attempts), list[Patch])
assert_type(use(count), int)
assert_type(plan.pick(lambda p: len(p.steps)), Source[int])
