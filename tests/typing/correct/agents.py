"""The handle: other agents, forks, live events, what the last turn cost; edges in options."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_type

from orchcore import Agent, Turn, Usage, agent, each, param, phase, use
from orchcore.events import TextWritten, ToolEnded
from orchcore.resources import artifacts


@dataclass(frozen=True)
class Package:
    folder: Path
    model: str


@phase
async def packages() -> list[Package]:
    return [Package(Path("a"), "small"), Package(Path("b"), "large")]


@agent("claude", tools=("Read", "Grep"), max_turns=20, reasks=3)
async def write(ai: Agent, task: str = param("-", help="@file and - work too")) -> str:
    answer = await ai.ask(task)
    assert_type(answer, str)
    critic = ai.using("codex", model="large", permission="read-only", tools=["Read"], timeout="5m")
    assert_type(critic, Agent)
    opinion = await critic.ask(f"Criticize: {answer}")
    bold, careful = ai.fork(), ai.fork()
    variants = [await bold.ask("Be bold."), await careful.ask("Be careful."), opinion]
    last = ai.last
    assert_type(last, Turn)
    assert_type(last.usage, Usage)
    if last.cost_usd is not None and last.cost_usd > 1:
        return variants[0]
    return f"{ai.name} in {ai.cwd}: {max(variants, key=len)}"


@agent
async def live(ai: Agent, folder: Path = use(artifacts)) -> int:
    denied = 0
    with (folder / "said.txt").open("w") as file:
        async for event in ai.stream("Go."):
            match event:
                case TextWritten(text=text):
                    file.write(text)
                case ToolEnded(denied=True):
                    denied += 1
                case _:
                    pass
    return denied


@agent(
    each(param(["claude", "codex"], name="writer")),
    parallel=param(2),
    model=each(packages.pick(lambda ps: [p.model for p in ps])),
    cwd=each(packages.pick(lambda ps: [p.folder for p in ps])),
    env={"LANG": "C"},
    idle=param("5m"),
)
async def document(ai: Agent, package: Package = each(packages)) -> bool:
    return await ai.ask(f"Document {package.folder}", bool)


@agent(param("claude", name="editor"), model=param("large"), cwd=use(artifacts), permission="full")
async def edit(ai: Agent, written: str = use(write)) -> dict[str, int]:
    return await ai.ask(f"Edit {written}", dict[str, int])


@agent()
async def again(ai: Agent = use(edit.session)) -> str:
    return await ai.ask("And once more.")


assert_type(use(document), list[bool])
assert_type(use(edit), dict[str, int])
assert_type(use(live), int)
assert_type(use(again), str)
