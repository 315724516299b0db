"""A release: waits for continuous integration, asks before publishing, cleans up whatever came."""

import asyncio
from datetime import timedelta
from typing import Literal, assert_type

from orchcore import (
    Agent,
    Err,
    Ok,
    Outcome,
    Skip,
    agent,
    approve,
    command,
    maybe,
    param,
    phase,
    settled,
    use,
)

type Conclusion = Literal["success", "failure"]


@phase(timeout=timedelta(hours=2))
async def checks(branch: str = param("main"), every_s: float = param(30.0)) -> Conclusion:
    while True:
        ran = await command("gh", "run", "view", branch, timeout="1m", rerun=True)
        if ran.stdout.strip() == "success":
            return "success"
        if ran.exit_code != 0:
            return "failure"
        await asyncio.sleep(every_s)


green = checks.where(lambda conclusion: conclusion == "success")


@agent("claude", when=~green, permission="edit")
async def repair(ai: Agent, why: Conclusion = use(checks)) -> str:
    return await ai.ask(f"CI says {why}: repair it.")


@phase(when=green)
async def notes(dry: bool = param(False)) -> str:
    if dry:
        raise Skip("a dry run has no notes")
    return (await command("git", "log", "--oneline", check=True)).stdout


publishable = approve(notes, "Publish these notes?")


@phase(after=(checks, publishable))
async def publish(notes: str = use(publishable)) -> int:
    return (await command("gh", "release", "create", "--notes", notes, env={"CI": "1"})).exit_code


@phase
async def report(
    published: Outcome[int] = use(settled(publish)),
    repaired: str | None = maybe(repair),
    text: str = use(repair | notes),
) -> str:
    match published:
        case Ok(value=code):
            assert_type(code, int)
            return f"published: {code}"
        case Err(failure=failure):
            assert_type(repaired, str | None)
            return f"not published ({failure.kind}): {repaired or text}"


assert_type(use(checks), Conclusion)
assert_type(maybe(repair), str | None)
assert_type(use(repair | notes), str)
