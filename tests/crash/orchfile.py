"""Forty turns: loops, steps, conversations, a dynamic fan-out, equal asks at once."""

from pathlib import Path

from pydantic import BaseModel

from orchcore import Agent, agent, command, each, gather, param, phase, use

EFFECTS = Path(__file__).parent / "effects"


def effect(of: str) -> None:
    """What a body does to the world: it cannot be taken back."""
    with EFFECTS.open("a") as file:
        file.write(f"{of}\n")


def task_of(text: str) -> str:
    """The task whose answers *text* is made of: ``done-implement-TASK-1 ...``."""
    return text.split(maxsplit=1)[0].split("-")[-2]


class Plan(BaseModel):
    tasks: list[str]


@agent
async def plan(ai: Agent, count: int = param(4)) -> Plan:
    await ai.ask("[plan-1] look around")
    text = await ai.ask("[plan-2] plan")
    effect("plan")
    return Plan(tasks=[f"{text[-1]}{number}" for number in range(count)])


@agent.step
async def check(ai: Agent, task: str) -> str:
    told = await ai.ask(f"[check-{task}] is it right?")
    done = await command("/bin/echo", "checked", task)
    return told + done.stdout.strip()


@agent(parallel=3)
async def implement(ai: Agent, task: str = each(plan.pick(lambda plan: plan.tasks))) -> str:
    said = [await ai.ask(f"[implement-{task}-{number}] go on") for number in (1, 2)]
    said.append(await check(task))
    effect(f"implement:{task}")
    return " ".join(said)


@agent(parallel=3)
async def review(ai: Agent, patch: str = each(implement)) -> str:
    asked = f"[review-{patch.split(maxsplit=1)[0]}] the same question twice"
    both = await gather(ai.using().ask(asked) for _ in range(2))
    effect(f"review:{task_of(patch)}")
    return " ".join(both)


@agent(parallel=2)
async def fix(ai: Agent, found: str = each(review)) -> str:
    rounds = 0
    text = ""
    while rounds < 3:
        rounds += 1
        text += await ai.ask(f"[fix-{found.split(maxsplit=1)[0]}-{rounds}] mend it")
    effect(f"fix:{task_of(found)}")
    return text


@agent
async def report(ai: Agent = use(plan.session), fixed: list[str] = use(fix)) -> str:
    said = [await ai.ask(f"[report-{number}] {len(fixed)} are fixed") for number in range(6)]
    effect("report")
    return "\n".join([*said, *sorted(fixed)])


@phase
async def end(text: str = use(report)) -> str:
    effect("end")
    return text
