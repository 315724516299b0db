"""Per item, without a barrier: each file is read, approved, fixed and checked on its own."""

from pathlib import Path
from typing import assert_type

from pydantic import BaseModel

from orchcore import Agent, FanOut, Source, agent, approve, command, each, param, phase, use


class Smell(BaseModel):
    file: str
    text: str


class Fix(BaseModel):
    diff: str


@phase
async def files(root: Path = param(Path())) -> list[str]:
    found = await command("git", "ls-files", "*.py", cwd=root, check=True, rerun=True)
    return found.stdout.splitlines()


@agent(parallel=4, idle=90.0)
async def smell(ai: Agent, file: str = each(files)) -> Smell:
    return await ai.ask(f"The worst smell of {file}?", Smell)


chosen = approve(smell, lambda s: f"Fix {s.file}: {s.text}?", each=True)
asked = approve(files, lambda f: f"Look at {f}?", each=True)
all_at_once = approve(smell, lambda ss: f"Fix all {len(ss)}?")
plainly = approve(files, "Go on?")


@agent(parallel=4, permission="edit")
async def fix(ai: Agent = each(smell.session), smell: Smell = each(chosen)) -> Fix:
    assert_type(smell, Smell)
    note = f" Mind this: {ai.feedback}" if ai.feedback else ""
    return await ai.ask(f"Fix {smell.text}.{note}", Fix)


@phase(parallel=2, timeout="10m")
async def check(fix: Fix = each(fix)) -> bool:
    tests = await command("pytest", "-q", Path("tests"))
    return tests.exit_code == 0 and bool(fix.diff)


@phase
async def tally(checks: list[bool] = use(check), smells: list[Smell] = use(all_at_once)) -> str:
    return f"{sum(checks)} of {len(smells)}"


assert_type(chosen, FanOut[Smell])
assert_type(asked, FanOut[str])
assert_type(all_at_once, Source[list[Smell]])
assert_type(plainly, Source[list[str]])
assert_type(each(all_at_once), Smell)
assert_type(use(chosen), list[Smell])
assert_type(use(check), list[bool])
