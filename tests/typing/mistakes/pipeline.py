"""The right pipeline that the other files in this folder import and get wrong."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from orchcore import Agent, agent, approve, each, param, phase, resource, use


@dataclass(frozen=True)
class Task:
    id: str
    title: str
    needs: list[str]
    weight: int


class Plan(BaseModel):
    summary: str
    steps: list[str]
    tasks: list[Task]
    risky: bool
    risk: Literal["low", "high"]


class Design(BaseModel):
    outline: str


class Patch(BaseModel):
    diff: str


class Review(BaseModel):
    notes: list[str]
    score: int


class Database:
    def rows(self) -> list[str]:
        return []


@agent
async def plan(ai: Agent, task: str = param(help="what to build")) -> Plan:
    return await ai.ask(f"Plan: {task}", Plan)


@agent
async def design(ai: Agent, plan: Plan = use(plan)) -> Design:
    return await ai.ask(f"Design: {plan.summary}", Design)


@phase
async def tasks(plan: Plan = use(plan)) -> list[Task]:
    return plan.tasks


@phase
async def title(plan: Plan = use(plan)) -> str:
    return plan.summary


@phase
async def count(plan: Plan = use(plan)) -> int:
    return len(plan.steps)


@phase
async def weights(plan: Plan = use(plan)) -> dict[int, str]:
    return {task.weight: task.id for task in plan.tasks}


@phase
async def names(plan: Plan = use(plan)) -> set[str]:
    return {task.id for task in plan.tasks}


@agent(permission="edit", timeout="30m")
async def implement(ai: Agent = use(plan.session), plan: Plan = use(plan)) -> Patch:
    return await ai.ask(f"Implement {plan.steps}", Patch)


@agent(each(param(["claude", "codex"], name="reviewer")), parallel=2, quorum=1)
async def review(ai: Agent, patch: Patch = use(implement)) -> Review:
    return await ai.ask(f"Review {patch.diff}", Review)


@agent(parallel=4)
async def audit(ai: Agent, task: Task = each(tasks, label=lambda t: t.id)) -> list[str]:
    return await ai.ask(f"Audit {task.title}", list[str])


@phase(parallel=3)
async def attempt(plan: Plan = use(plan)) -> str:
    return plan.summary


@phase.step
async def measure(patch: Patch, unit: str) -> int:
    return len(patch.diff) + len(unit)


@agent.step("codex", timeout="10m")
async def second_opinion(ai: Agent, patch: Patch, lens: str) -> Review:
    return await ai.ask(f"Review for {lens}: {patch.diff}", Review)


@resource
async def database(url: str = param("sqlite://", name="url")) -> AsyncIterator[Database]:
    yield Database()


@resource(scope="instance")
async def folder() -> AsyncIterator[Path]:
    yield Path()


approved = approve(plan, lambda p: f"Do these {len(p.steps)} steps?")
chosen = approve(tasks, lambda t: f"Do {t.title}?", each=True)
