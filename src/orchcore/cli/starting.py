"""``init``: the files a new project begins with."""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import click

from orchcore.cli.output import say_lines
from orchcore.collection.discovery import ORCHFILE
from orchcore.config import upwards
from orchcore.errors import Problem, UsageError, shown_path

_ORCHFILE = '''\
"""Plans a task, asks you, carries it out, and has the result reviewed."""

from orchcore import Agent, agent, approve, each, param, phase, use
from pydantic import BaseModel


class Plan(BaseModel):
    steps: list[str]


class Review(BaseModel):
    approved: bool
    remarks: list[str]


@agent
async def plan(ai: Agent, task: str = param(help="what to do")) -> Plan:
    """Reads the project and plans; changes nothing."""
    return await ai.ask(f"Plan in at most five steps, change nothing: {task}", Plan)


approved = approve(plan, lambda plan: f"Steps: {len(plan.steps)}. Carry them out?")


@agent(permission="edit", timeout="30m")
async def implement(ai: Agent = use(plan.session), plan: Plan = use(approved)) -> str:
    """Goes on in the planner's conversation."""
    return await ai.ask(f"Carry out these steps, then sum up: {plan.steps}")


@agent(parallel=2)
async def review(
    ai: Agent,
    changes: str = use(implement),
    lens: str = each(["correctness", "simplicity"]),
) -> Review:
    """One reviewer per lens, both at once."""
    return await ai.ask(f"Review these changes for {lens} only: {changes}", Review)


@phase
async def verdict(reviews: list[Review] = use(review)) -> str:
    """Plain Python, no agent."""
    remarks = [remark for review in reviews for remark in review.remarks]
    approved = all(review.approved for review in reviews)
    return "approved" if approved else "; ".join(remarks)
'''
_RUFF = """\
# use(...) and its kin are markers, safe as defaults (B008)
[lint.flake8-bugbear]
extend-immutable-calls = [
  "orchcore.use", "orchcore.maybe", "orchcore.each", "orchcore.param",
  "orchcore.approve", "orchcore.settled",
]
"""
_MYPY = """\
[mypy]
strict = True
plugins = pydantic.mypy
"""


@dataclass(frozen=True, slots=True)
class _Starter:
    """One file to begin with.

    Attributes:
        name: Its name.
        text: What is written.
        tool: The table of a pyproject.toml that has the same settings.
        others: Files that have them, too.
    """

    name: str
    text: str
    tool: str = ""
    others: tuple[str, ...] = ()


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
def init_command(folder: Path) -> None:
    """Write what a project begins with into FOLDER (by default the current one).

    An orchfile, orchcore.toml with the first agent found on this machine, and settings for ruff
    and mypy. Nothing is ever overwritten, and settings you already have are left alone.
    """
    agent = _default_agent()
    own = (folder / ORCHFILE).exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        say_lines(line for starter in _starters(agent) for line in _written(folder, starter))
    except OSError as error:
        message = f"{shown_path(folder)} cannot be written: {error.strerror}"
        raise UsageError(Problem("init", message)) from None
    where = "" if folder == Path() else f"cd {quote(str(folder))} && "
    say_lines(("", *(f"{what:<24}{where}{command}" for what, command in _next(agent, own=own))))


def _next(agent: str, *, own: bool) -> Iterator[tuple[str, str]]:
    """What to do now, with commands that work as they are, also with an orchfile of one's *own*."""
    yield "look:", "orchcore graph"
    if own:
        yield "what a run takes:", "orchcore run --help"
        return
    yield "try, without accounts:", "orchcore run --agent demo --task 'a README' --yes"
    yield "run:", f"orchcore run --task '...'   (with {agent})"


def _starters(agent: str) -> Iterator[_Starter]:
    yield _Starter(ORCHFILE, _ORCHFILE)
    yield _Starter("orchcore.toml", f'default_agent = "{agent}"\n', "orchcore")
    yield _Starter("ruff.toml", _RUFF, "ruff", (".ruff.toml",))
    yield _Starter("mypy.ini", _MYPY, "mypy", (".mypy.ini", "setup.cfg"))


def _written(folder: Path, starter: _Starter) -> Iterator[str]:
    if starter.tool and (place := _settled_in(folder, starter)) is not None:
        yield f"kept     {shown_path(place)}: add to it what you need of"
        yield from (f"         | {line}" for line in starter.text.splitlines())
        return
    path = folder / starter.name
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter.text)
    except FileExistsError:
        yield f"kept     {shown_path(path)}"
    else:
        yield f"written  {shown_path(path)}"


def _settled_in(folder: Path, starter: _Starter) -> Path | None:
    """The file that has these settings already, here or above; a new one would hide it."""
    for place in upwards(folder.resolve()):
        for name in (starter.name, *starter.others):
            if (place / name).is_file():
                return place / name
        if starter.tool in _tools(place / "pyproject.toml"):
            return place / "pyproject.toml"
    return None


def _tools(pyproject: Path) -> set[str]:
    try:
        return set(tomllib.loads(pyproject.read_text("utf-8")).get("tool", {}))
    except (OSError, ValueError):
        return set()


def _default_agent() -> str:
    """The first real agent CLI that is installed, else the demo agent."""
    from orchcore.agents.adapters.finder import find_adapters, installed

    for name, adapter in find_adapters().items():
        if not adapter.capabilities.simulated and installed(adapter, os.environ.get("PATH")):
            return name
    return "demo"
