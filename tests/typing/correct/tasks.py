"""Tasks found by a plan: each waits for those it needs, and is reviewed without a barrier."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_type

from orchcore import Agent, agent, each, param, phase, use


def no_names() -> list[str]:
    return []


@dataclass(frozen=True)
class Task:
    id: str
    title: str
    needs: list[str] = field(default_factory=no_names)
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    task: str
    diff: str


@agent
async def plan(ai: Agent, goal: str = param()) -> list[Task]:
    return await ai.ask(f"Split into tasks: {goal}", list[Task])


@agent(parallel=param(4, name="workers"), permission="edit", quorum=1, limits={"gpu": 1})
async def implement(
    ai: Agent, task: Task = each(plan, label=lambda t: t.id, after=lambda t: t.needs)
) -> Done:
    assert_type(task, Task)
    return Done(task.id, await ai.ask(task.title))


@agent(parallel=4)
async def test(ai: Agent = each(implement.session), done: Done = each(implement)) -> list[str]:
    assert_type(ai, Agent)
    assert_type(done, Done)
    return await ai.ask(f"Test {done.diff}", list[str])


@phase(parallel=8)
async def file_bug(bug: str = each(test.pick(lambda ran: [b for bs in ran for b in bs]))) -> str:
    assert_type(bug, str)
    return bug


@phase
async def summary(
    done: list[Done] = use(implement),
    bugs: Sequence[str] = use(file_bug),
    found: list[list[str]] = use(test),
) -> str:
    return f"{len(done)} done, {len(bugs)} bugs, {sum(map(len, found))} found"


@phase(parallel=2)
async def literal(letter: str = each(("a", "b")), number: int = each([1, 2])) -> str:
    assert_type(letter, str)
    return letter * number


assert_type(each(plan), Task)
assert_type(each(implement), Done)
assert_type(each(test), list[str])
assert_type(each([1, 2]), int)
assert_type(each(range(3)), int)
assert_type(each(plan, after=lambda t: t.blocks), Task)
assert_type(each(plan, after=lambda t: []), Task)
assert_type(each(plan, after=lambda t: [*t.needs, *t.blocks]), Task)
assert_type(use(test), list[list[str]])
