"""Approval: a person says yes or no, to a whole value and to each item of a list.

    orchcore run examples/approval
    orchcore run examples/approval --yes            without asking

No skips what needs it. Where nobody can be asked, the run pauses there and exits with 10.
"""

from pydantic import BaseModel, Field

from orchcore import Agent, agent, approve, each, param, phase, use


class Plan(BaseModel):
    goal: str
    steps: list[str] = Field(min_length=2)


@agent
async def plan(ai: Agent, goal: str = param("tidy the kitchen")) -> Plan:
    return await ai.ask(f"Plan: {goal}", Plan)


agreed = approve(plan, lambda plan: f"Go on with these {len(plan.steps)} steps?")
steps = approve(agreed.pick(lambda plan: plan.steps), lambda step: f"Do '{step}'?", each=True)


@agent(parallel=2)
async def do(ai: Agent, step: str = each(steps)) -> str:
    return await ai.ask(f"Do this: {step}")


@phase
async def done(results: list[str] = use(do), plan: Plan = use(agreed)) -> str:
    return f"{plan.goal}: {len(results)} of {len(plan.steps)} steps done"
