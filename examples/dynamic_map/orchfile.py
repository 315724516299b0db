"""A dynamic map: a plan found during the run, one instance per task, in the order they need.

    orchcore run examples/dynamic_map --goal "a login page"

A task starts as soon as those it needs have passed; an unknown id or a cycle fails the plan.
"""

from pydantic import BaseModel, Field

from orchcore import Agent, agent, each, param, phase, use


class Task(BaseModel):
    id: str
    title: str
    needs: list[str] = []


class Plan(BaseModel):
    tasks: list[Task] = Field(min_length=2)


@agent
async def plan(ai: Agent, goal: str = param("a login page")) -> Plan:
    return await ai.ask(f"Split into tasks: {goal}", Plan)


tasks = plan.pick(lambda plan: plan.tasks)


@agent(parallel=3)
async def work(
    ai: Agent, task: Task = each(tasks, label=lambda t: t.id, after=lambda t: t.needs)
) -> str:
    return await ai.ask(f"Do this and tell in one sentence how: {task.title}")


@phase
async def summary(tasks: list[Task] = use(tasks), done: list[str] = use(work)) -> str:
    return "\n".join(f"{task.id}: {how}" for task, how in zip(tasks, done, strict=True))
