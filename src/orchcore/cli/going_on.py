"""Options of ``run`` that say how it goes on; ``plan --resume`` takes the same words."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchcore.cli.shared_options import Decorated
from orchcore.errors import Problem, UsageError

if TYPE_CHECKING:
    from orchcore.execution.ports import Ruling

MODES = ("auto", "tty", "plain", "json", "quiet")
"""Displays by name."""


def going_on(*, hidden: bool = False) -> Callable[[Decorated], Decorated]:
    """The options; *hidden* where they are only known."""
    options = (
        click.Option(["-x", "--exitfirst"], is_flag=True, help="Stop after the first failure."),
        click.Option(
            ["--maxfail"], type=click.IntRange(min=1), metavar="N", help="Stop after N failures."
        ),
        click.Option(
            ["--yes"],
            is_flag=True,
            help="Answer every approval with yes; without a terminal they pause.",
        ),
        click.Option(
            ["--progress"],
            type=click.Choice(MODES),
            default="auto",
            show_default=True,
            help="How it is shown; json: one event per line on stdout.",
        ),
        click.Option(
            ["--strict-budget"],
            is_flag=True,
            help="Refuse agents whose turns cannot be priced; else they are listed as unpriced.",
        ),
        click.Option(
            ["--no-cache"],
            is_flag=True,
            help="Use no result of another run, whatever cache= says.",
        ),
        click.Option(
            ["--rerun"], multiple=True, metavar="NODE", help="It halts: let it run once more."
        ),
        click.Option(
            ["--accept"], multiple=True, metavar="NODE", help="It halts: take it for done."
        ),
        click.Option(
            ["--answer"],
            multiple=True,
            nargs=2,
            metavar="NODE FILE",
            help="It halts: take it for done, with the JSON value in FILE.",
        ),
        click.Option(
            ["-v", "--verbose"], is_flag=True, help="Show what agents of passed phases wrote."
        ),
    )
    for option in options:
        option.hidden = hidden

    def decorated(command: Any) -> Any:
        known: list[click.Parameter] = getattr(command, "__click_params__", [])
        command.__click_params__ = [*known, *reversed(options)]  # as click's own decorators do
        return command

    return decorated


def rulings_of(params: Mapping[str, Any]) -> "Mapping[str, Ruling]":
    """What was decided of phases that halt.

    Raises:
        UsageError: Not with ``--resume``, two of one, or a file that cannot be read.
    """
    from orchcore.execution.ports import Ruling

    said: list[tuple[str, Ruling]] = [(node, Ruling(rerun=True)) for node in params["rerun"]]
    said += [(node, Ruling(rerun=False)) for node in params["accept"]]
    for node, file in params["answer"]:
        try:
            said.append((node, Ruling(rerun=False, value=Path(file).read_text("utf-8"))))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(Problem("usage", f"--answer {node} {file}: {why}")) from None
    rulings = dict(said)
    if said and params["resume"] is None:
        hint = "orchcore resume RUN --rerun NODE"
        message = "--rerun, --accept and --answer decide about a run that goes on"
        raise UsageError(Problem("usage", message, None, (hint,)))
    if len(rulings) < len(said):
        raise UsageError(Problem("usage", "a phase that halts has one decision at a time"))
    return rulings
