"""Per item, without a barrier: each file is read, approved, fixed and checked on its own."""

from collections import deque
from collections.abc import Iterator
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


class Shelf:
    """Items in an order, and no more than that."""

    def __iter__(self) -> Iterator[int]:
        return iter((1, 2))

    def __len__(self) -> int:
        return 2

    def __contains__(self, value: object, /) -> bool:
        return value in (1, 2)

    def __getitem__(self, index: int, /) -> int:
        return (1, 2)[index]


@phase
async def shelf() -> Shelf:
    return Shelf()


@phase
async def queue() -> deque[str]:
    return deque(["a", "b"])


kept = approve(shelf, "Keep it?", each=True)


@phase(parallel=3)
async def sorted_out(
    queued: str = each(queue),
    stored: int = each(shelf),
    listed: str = each(deque(["a", "b"])),
    shelved: int = each(Shelf()),
) -> str:
    return f"{queued}{stored}{listed}{shelved}"


assert_type(each(deque([1])), int)
assert_type(each(Shelf()), int)
assert_type(each(queue), str)
assert_type(kept, FanOut[int])
assert_type(chosen, FanOut[Smell])
assert_type(asked, FanOut[str])
assert_type(all_at_once, Source[list[Smell]])
assert_type(plainly, Source[list[str]])
assert_type(each(all_at_once), Smell)
assert_type(use(chosen), list[Smell])
assert_type(use(check), list[bool])
