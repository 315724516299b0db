"""Options that several commands have, and the words that explain them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import click
from click.shell_completion import CompletionItem

PROGRAM = "orchcore"
COMPLETE_VAR = "_ORCHCORE_COMPLETE"
"""The variable by which a shell asks for completions."""

type Decorated = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class OwnProcess:
    """The root context's object where the whole process is ours, so that it may be split."""


class Target(click.ParamType[str]):
    """A TARGET. Completed as a file name only: completion never imports an orchfile."""

    name = "target"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leaves the completion of file names to the shell."""
        del ctx, param
        return [CompletionItem(incomplete, type="file")]


TARGETS = """\
A TARGET selects phases: review (a phase), 'audit_*' (a glob), review:codex
(one instance), +review (with all it needs), review+ (with all that needs it),
path.py, path.py::review, or a folder with an orchfile. What a selected phase
needs is always part of the run. Without a TARGET everything is selected."""


def selecting(command: Decorated) -> Decorated:
    """TARGETs, ``-f``, ``-k`` and ``-t``."""
    for option in (
        click.option(
            "-t",
            "--tag",
            multiple=True,
            metavar="TAG",
            help="Only phases with this tag; repeatable, one of them is enough.",
        ),
        click.option(
            "-k",
            "--keyword",
            metavar="EXPR",
            help="Only phases whose names fit: 'audit and not (db or web)'.",
        ),
        click.option(
            "-f",
            "--file",
            metavar="PATH",
            type=click.Path(),
            help="The orchfile; by default the nearest orchfile.py from here upwards.",
        ),
        click.argument("targets", nargs=-1, metavar="[TARGET]...", type=Target()),
    ):
        command = option(command)
    return command


class Usd(click.FloatRange):
    """Dollars: a number that there is an end of."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        usd = float(super().convert(value, param, ctx))
        if not isfinite(usd):
            self.fail(f"{value} is no amount of money", param, ctx)
        return usd


def replacing(command: Decorated) -> Decorated:
    """``-j``, ``--agent``, ``--model``, ``--budget``, ``--profile``: over what files say."""
    for option in (
        click.option(
            "--budget",
            type=Usd(min=0, min_open=True),
            metavar="USD",
            help="What the run may cost; then nothing new starts, and all that is done is kept.",
        ),
        click.option(
            "--profile", metavar="NAME", help="Settings of the configuration's profiles.NAME."
        ),
        click.option("--model", metavar="NAME", help="Replaces every model."),
        click.option(
            "--agent",
            metavar="NAME",
            help="Replaces every agent: claude, demo, or one of your own; see orchcore agents.",
        ),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(min=1),
            metavar="N",
            help="Turns and commands at once, over the whole run.",
        ),
    ):
        command = option(command)
    return command


def in_project(command: Decorated) -> Decorated:
    """``-f`` for commands that look at a project's runs and import nothing."""
    return click.option(
        "-f",
        "--file",
        metavar="PATH",
        type=click.Path(),
        help="The orchfile, or its folder; by default the nearest from here upwards.",
    )(command)
