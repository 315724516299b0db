"""The program: its commands, its help, and ``run`` where no command is named."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

import click
from click.shell_completion import CompletionItem, shell_complete

from orchcore.cli.early import heed_early
from orchcore.cli.outcomes import exit_code_of
from orchcore.cli.output import fill_closed_streams, say
from orchcore.cli.shared_options import COMPLETE_VAR, PROGRAM, TARGETS, OwnProcess
from orchcore.errors import OrchcoreError

_SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Run": {
        "run": ("run", "Collect, plan and run; what `orchcore` alone does."),
        "resume": ("resuming", "Go on with a run; nothing is paid for twice."),
        "approve": ("gates", "Answer a gate of a run that waits for it."),
        "stop": ("controlling", "End a run in order, from another terminal."),
        "pause": ("controlling", "Let a run start no further turns."),
        "continue": ("controlling", "Let a paused run start turns again."),
        "reap": ("controlling", "Kill and report what dead runs left running."),
        "plan": ("looking", "Show what a run would do: each phase with its reason and limits."),
    },
    "Look at an orchfile": {
        "list": ("looking", "List the phases."),
        "graph": ("looking", "Draw what waits for what: text, mermaid, dot, json."),
        "check": ("checking", "Check the wiring, then the types with your type checker."),
    },
    "Look at runs": {
        "runs": ("recorded", "List recorded runs, the latest first."),
        "show": ("recorded", "Show one recorded run, also while it goes on."),
        "logs": ("logs", "Show what agents wrote, also while they write."),
        "clean": ("cleaning", "Remove recorded runs, or show how much room they take."),
        "cost": ("costs", "Show what turns cost, by phase, agent, model and day."),
    },
    "Set up": {
        "init": ("starting", "Write a starter orchfile and settings; never overwrites."),
        "agents": ("agents", "Show which agent CLIs are installed and what they can do."),
        "completion": ("completion", "Print the completion script for bash, zsh or fish."),
    },
}
"""Commands by section and name, each with its module in this room and a line of help."""
_COMMANDS = {name: facts for section in _SECTIONS.values() for name, facts in section.items()}
_FIRST_WORD = "orchcore.first_word"
_OWN_OPTIONS = frozenset({"-h", "--help", "--version"})


class Program(click.Group):
    """``orchcore``; what does not begin with a command is for ``run``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported when it is asked for."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"orchcore.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts ``run`` before a line that names no command."""
        first = args[0] if args else None
        if not ctx.resilient_parsing:
            args = _resumed(args)
        completing_a_command = first is None and ctx.resilient_parsing
        if first not in _COMMANDS and first not in _OWN_OPTIONS and not completing_a_command:
            args = ["run", *args]
            ctx.meta[_FIRST_WORD] = first
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; a target that is none may have been meant as a command.

        Raises:
            OrchcoreError: As the command does.
        """
        try:
            return super().invoke(ctx)
        except OrchcoreError as error:
            asked = ctx.meta.get(_FIRST_WORD) or ""
            near = ["--help"] if asked == "help" else get_close_matches(asked, _COMMANDS, n=1)
            if not near or error.code not in {"unknown-target", "no-orchfile"}:
                raise
            hint = f"or the command:   orchcore {near[0]}"
            first, *others = error.problems
            raise type(error)(replace(first, hints=(*first.hints, hint)), *others) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands; options of ``run`` as well, since that may be left out."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            known = {item.value for item in found}
            command = cast("click.Command", self.get_command(ctx, "run"))
            run = click.Context(command, parent=ctx, info_name="run", resilient_parsing=True)
            more = command.shell_complete(run, incomplete)
            found += [item for item in more if item.value not in known]
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in their sections."""
        del ctx
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, facts[1]) for name, facts in commands.items()])

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> int:
        """Runs one command line, or answers a shell that completes one.

        Raises:
            SystemExit: With the exit code, in standalone mode.
        """
        line = list(sys.argv[1:] if args is None else args)
        name = prog_name or PROGRAM
        asked = os.environ.get(complete_var or COMPLETE_VAR)
        code: int
        if asked:
            code = shell_complete(self, extra, name, complete_var or COMPLETE_VAR, asked)
        else:
            code = exit_code_of(lambda: self._called(name, line, extra))
        if standalone_mode:
            sys.exit(code)
        return code

    def _called(self, name: str, line: list[str], extra: dict[str, Any]) -> object:
        with self.make_context(name, line, **extra) as ctx:
            return self.invoke(ctx)


def _resumed(args: list[str]) -> list[str]:
    """*args*, with the words of the run that they go on with."""
    plans = args[:1] == ["plan"] and any(word.partition("=")[0] == "--resume" for word in args)
    if not plans and args[:1] != ["resume"]:
        return args
    from orchcore.cli.resuming import line_of_plan, line_of_run, wants_help

    if wants_help(args[1:]):
        return args
    return line_of_plan(args[1:]) if plans else line_of_run(args[1:])


def run_program() -> None:
    """Runs the command line of this process, which is ours, and exits.

    Raises:
        SystemExit: Always.
    """
    heed_early()
    fill_closed_streams()
    program.main(obj=OwnProcess())


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("orchcore")
    except PackageNotFoundError:
        number = "unknown"
    say(f"orchcore {number} (Python {sys.version.split()[0]}, {sys.platform})\n")
    ctx.exit()


_HELP = f"""orchcore: pytest for pipelines of AI coding agents.

An orchfile is typed async Python: decorated functions are phases, typed defaults
are edges. Without a command, `run` is meant: `orchcore review` is `orchcore run review`.

\b
Examples:
  orchcore init                          a first orchfile
  orchcore --agent demo --task "a README" --yes
  orchcore plan                          what would happen
  orchcore run review+ -j 4              review and all that needs it
  orchcore show                          the latest run, also while it goes on
  orchcore resume                        go on with it

\b
{TARGETS}
"""
_EPILOG = """\
\b
Exit codes:
  0   everything passed              4   usage, or a mistake in the orchfile
  1   something failed               5   nothing selected
  2   interrupted                    10  paused for approval
  3   internal error                 11  budget exhausted
                                     12  gave up waiting for a rate limit
"""

program = Program(
    PROGRAM,
    help=_HELP,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        )
    ],
)
