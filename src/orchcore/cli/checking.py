"""``check``: reads the orchfile, plans it, and lets the user's type checker prove its wiring."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from orchcore.cli.orchfile_command import OrchfileCommand, plan_of
from orchcore.cli.output import say
from orchcore.cli.shared_options import selecting
from orchcore.config import upwards
from orchcore.errors import shown_path
from orchcore.reporting.figures import counted

FAILED = 1


@dataclass(frozen=True, slots=True)
class TypeChecker:
    """A type checker's command line.

    Attributes:
        name: Its program's.
        arguments: What stands before the file, with ``{python}`` for this interpreter.
        settings: Files that configure it, besides ``[tool.NAME]`` in pyproject.toml.
    """

    name: str
    arguments: tuple[str, ...]
    settings: tuple[str, ...]

    def command(self, program: str, orchfile: Path) -> list[str]:
        """The whole command line."""
        filled = (argument.format(python=sys.executable) for argument in self.arguments)
        return [program, *filled, str(orchfile)]


TYPE_CHECKERS = (
    TypeChecker("mypy", ("--python-executable", "{python}"), ("mypy.ini", ".mypy.ini")),
    TypeChecker("pyright", ("--pythonpath", "{python}"), ("pyrightconfig.json",)),
    TypeChecker("basedpyright", ("--pythonpath", "{python}"), ("pyrightconfig.json",)),
    TypeChecker("ty", ("check", "--python", "{python}"), ("ty.toml",)),
    TypeChecker("pyrefly", ("check",), ("pyrefly.toml",)),
)


@click.command(
    "check",
    cls=OrchfileCommand,
)
@selecting
@click.pass_context
def check_command(ctx: click.Context, /, **_: object) -> int:
    """Check the orchfile without running anything.

    It is imported and planned, which finds every mistake that orchcore can see. Then your type
    checker looks at it, if one is installed: mypy, pyright, basedpyright, ty or pyrefly; the
    first that this project configures, else the first that is there.

    Exit codes: 0 nothing found, 1 the type checker found something, 4 orchcore did.
    """
    plan = plan_of(ctx, complete=False)
    counts = f"{counted(len(plan.nodes), 'phase')}, {counted(len(plan.specs), 'parameter')}"
    say(f"{shown_path(plan.orchfile)}: {counts}, wired and planned\n")
    found = find_checker(plan.folder, os.environ.get("PATH"))
    if found is None:
        say("types: not checked, no type checker is installed (pip install mypy)\n")
        return 0
    checker, program = found
    say(f"types: {checker.name}\n")
    command = checker.command(program, plan.orchfile)
    code = subprocess.run(command, cwd=plan.folder, check=False).returncode
    return FAILED if code else 0


def find_checker(folder: Path, path_env: str | None) -> tuple[TypeChecker, str] | None:
    """The type checker to use for *folder* and its program, or ``None``.

    Args:
        folder: The orchfile's; settings are looked for from there upwards.
        path_env: ``PATH``; programs beside this interpreter come first.
    """
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join(filter(None, (beside, path_env)))
    there = [
        (checker, program)
        for checker in TYPE_CHECKERS
        if (program := shutil.which(checker.name, path=path))
    ]
    configured = set(_configured(folder))
    return next((one for one in there if one[0].name in configured), next(iter(there), None))


def _configured(folder: Path) -> Iterator[str]:
    for place in upwards(folder):
        tools = _tools(place / "pyproject.toml")
        for checker in TYPE_CHECKERS:
            if checker.name in tools or any((place / name).is_file() for name in checker.settings):
                yield checker.name


def _tools(pyproject: Path) -> set[str]:
    try:
        return set(tomllib.loads(pyproject.read_text("utf-8")).get("tool", {}))
    except (OSError, ValueError):
        return set()
