"""Errors a user can act on.

Three kinds of trouble are kept apart: a user's mistake is an ``OrchcoreError`` made of
``Problem`` values, an agent's failure is a ``Failure`` value (see ``results``), and a bug
stays a bare exception.
"""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a user's file.

    Attributes:
        path: The file, absolute.
        line: 1-based line number.
        text: That line's source, stripped; empty when it could not be read.
    """

    path: Path
    line: int
    text: str = ""

    def __str__(self) -> str:
        """``orchfile.py:24``, relative to the working directory where that is shorter."""
        return f"{shown_path(self.path)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, with what mends it.

    Attributes:
        code: Stable, kebab-case: ``unwired-parameter``.
        message: What was found, one sentence, no trailing dot.
        where: The line at fault, if there is one.
        hints: What to write instead, the likeliest first.
        warning: Whether the run may go on in spite of it.
    """

    code: str
    message: str
    where: Location | None = None
    hints: tuple[str, ...] = ()
    warning: bool = False


class OrchcoreError(Exception):
    """Something the user can put right.

    Attributes:
        problems: Everything that was wrong, in the order it was found; never empty.
    """

    def __init__(self, *problems: Problem) -> None:
        """Collects *problems*; ``str()`` shows them with their place and hints."""
        super().__init__("\n".join(_plain(problem) for problem in problems))
        self.problems = problems

    @property
    def code(self) -> str:
        """The first problem's code."""
        return self.problems[0].code

    @property
    def where(self) -> Location | None:
        """The first problem's place."""
        return self.problems[0].where

    @property
    def hint(self) -> str:
        """The first problem's first hint, or nothing."""
        return next(iter(self.problems[0].hints), "")


class UsageError(OrchcoreError):
    """The command line, a parameter, the configuration or the environment is off (exit 4)."""


class CollectionError(OrchcoreError):
    """The orchfile cannot be read, or says something that cannot be run (exit 4)."""


class NothingSelectedError(OrchcoreError):
    """The selection leaves no phase to run (exit 5)."""


class MarkerUsedError(OrchcoreError, TypeError):
    """An edge was used as if it were the value that it will become."""


class OutsideRunError(OrchcoreError, RuntimeError):
    """Something that only a running phase can do was called elsewhere."""


class RecordingError(OrchcoreError):
    """The journal cannot be written (disk full, read-only, foreign folder)."""


def did_you_mean(asked: str, known: Iterable[str]) -> tuple[str, ...]:
    """One hint that names the closest of *known*, or all of them where none is close.

    Example:
        >>> did_you_mean("reviw", ["plan", "review"])
        ("did you mean 'review'?",)
    """
    names = sorted(set(known))
    near = get_close_matches(asked, names, n=2)
    if near:
        return (f"did you mean {' or '.join(repr(name) for name in near)}?",)
    return (f"known: {', '.join(names)}",) if names else ()


def shown_path(path: Path) -> str:
    """*path* as a person would write it from here: relative below the working directory."""
    try:
        here = f"{os.getcwd()}/"  # noqa: PTH109  a plan shows hundreds of places
    except OSError:
        return str(path)
    return str(path).removeprefix(here)


def shell_word(text: str) -> str:
    r"""*text* as one word of a command line, printable whatever is in it.

    Example:
        >>> print(shell_word("my run"), shell_word("two\nlines"))
        'my run' $'two\x0alines'
    """
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def _plain(problem: Problem) -> str:
    where = f"\n  --> {problem.where}  {problem.where.text}" if problem.where else ""
    hints = "".join(f"\n  help: {hint}" for hint in problem.hints)
    return f"error[{problem.code}]: {problem.message}{where}{hints}"
