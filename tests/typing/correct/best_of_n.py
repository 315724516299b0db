"""Three attempts in folders of their own; the one that passes its tests and reads best wins."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import assert_type

from orchcore import (
    Agent,
    Completed,
    Skip,
    agent,
    command,
    each,
    gather,
    param,
    phase,
    resource,
    use,
)
from orchcore.resources import Node, artifacts, node


@dataclass(frozen=True)
class Attempt:
    folder: Path
    passed: bool
    cost_usd: float


@resource(scope="instance")
async def checkout(base: str = param("HEAD"), folder: Path = use(artifacts)) -> AsyncIterator[Path]:
    yield folder / base


@agent("claude", parallel=3, permission="edit", cwd=use(checkout), timeout="1h", quorum=1)
async def attempt(
    ai: Agent,
    folder: Path = use(checkout),
    me: Node = use(node),
    task: str = param(),
) -> Attempt:
    assert_type(me, Node)
    await ai.ask(f"{task} (attempt {me.attempt} of {me.id})")
    tests = await command("pytest", "-q", cwd=folder, timeout="5m", check=False)
    assert_type(tests, Completed)
    return Attempt(folder, tests.ok, ai.last.cost_usd or 0.0)


@agent.step("codex", model="large")
async def compare(ai: Agent, first: Attempt, second: Attempt) -> int:
    return await ai.ask(f"Which is better? {first.folder} {second.folder}", int)


@phase
async def best(attempts: list[Attempt] = use(attempt)) -> Attempt:
    passed = [one for one in attempts if one.passed]
    if not passed:
        raise Skip("no attempt passed its tests")
    pairs = [(a, b) for a in passed for b in passed if a is not b]
    votes = await gather((compare(a, b) for a, b in pairs), limit=2)
    assert_type(votes, list[int])
    assert_type(await compare(passed[0], second=passed[0]), int)
    return max(passed, key=lambda one: votes.count(attempts.index(one)))


again = compare.parallel(3, first=use(best), second=each(attempt))
once = compare.wired(use(best), use(best))


async def opened() -> Path:
    manager: AbstractAsyncContextManager[Path] = checkout.open("main", Path())
    async with manager as folder:
        assert_type(folder, Path)
        return folder


assert_type(use(again), list[int])
assert_type(each(again), int)
assert_type(use(once), int)
assert_type(use(checkout), Path)
