"""What went wrong, as words and as an exit code."""

import errno
import sys
import traceback
from collections.abc import Callable, Iterator
from difflib import get_close_matches

import click

from orchcore.cli.output import finish_streams, say, say_problems
from orchcore.errors import NothingSelectedError, OrchcoreError, Problem, RecordingError

INTERRUPTED = 2
INTERNAL = 3
USAGE = 4
NOTHING_SELECTED = 5

_FRAMES = 6
_CUT_SHORT = frozenset(
    {"disk-full", "journal-unwritable", "journal-vanished", "journal-incomplete"}
)
"""Problems of a record that is being written; the others are found before a run starts."""


def exit_code_of(call: Callable[[], object]) -> int:
    """Calls *call* and tells a person what it raised.

    Returns:
        What it gave, if that is a number, else 0; or the exit code for what it raised.
    """
    try:
        given = call()
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("\ninterrupted\n", to=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # help was piped into a reader that left
        return 0
    except Exception as error:  # noqa: BLE001  the last place where a bug can be explained
        return _explained(error)
    finally:
        finish_streams()
    return given if isinstance(given, int) else 0


def bug_report(error: Exception) -> str:
    """A short traceback of *error* and what to do with it."""
    frames = "".join(traceback.format_tb(error.__traceback__)[-_FRAMES:])
    kind = "".join(traceback.format_exception_only(error))
    return (
        f"error[internal]: this is a bug in orchcore, not in your orchfile\n{frames}{kind}"
        "  help: please report it with the lines above, the command and `orchcore --version`\n"
    )


def _explained(error: Exception) -> int:
    match error:
        case click.UsageError():
            say_problems([_usage_problem(error)])
            return USAGE
        case click.ClickException():
            say_problems([Problem("usage", error.format_message())])
            return USAGE
        case OrchcoreError():
            say_problems(error.problems)
            return _code_of(error)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            message = f"{error.filename or 'the output'} cannot be written: {error.strerror}"
            say_problems([Problem("output", message, None, ("free some space:   df -h",))])
            return USAGE
        case _:
            say(bug_report(error), to=sys.stderr)
            return INTERNAL


def _code_of(error: OrchcoreError) -> int:
    if isinstance(error, NothingSelectedError):
        return NOTHING_SELECTED
    if isinstance(error, RecordingError) and error.code in _CUT_SHORT:
        return INTERNAL
    return USAGE


def _usage_problem(error: click.UsageError) -> Problem:
    hints = [*_near_options(error)]
    if error.ctx is not None:
        hints.append(f"see   {error.ctx.command_path} --help")
    return Problem("usage", _first_lower(_told(error)), None, tuple(hints))


def _told(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name}"
    return error.format_message()


def _near_options(error: click.UsageError) -> Iterator[str]:
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return
    known = {
        name.strip("-"): name
        for ctx in _line(error.ctx)
        for param in ctx.command.get_params(ctx)
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("-")
    }
    near = get_close_matches(error.option_name.strip("-"), known, n=2)
    if near:
        yield f"did you mean {' or '.join(known[name] for name in near)}?"


def _line(ctx: click.Context) -> Iterator[click.Context]:
    found: click.Context | None = ctx
    while found is not None:
        yield found
        found = found.parent


def _first_lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).removesuffix(".")
