"""Which display a run gets."""

from collections.abc import Mapping
from typing import Literal, Protocol, TextIO

from orchcore.errors import Problem, UsageError
from orchcore.reporting.audience import Observer
from orchcore.reporting.jsonlines import JsonLines
from orchcore.reporting.plain import PlainDisplay
from orchcore.reporting.quiet import QuietDisplay
from orchcore.reporting.styled import is_terminal

type Mode = Literal["auto", "tty", "plain", "json", "quiet"]


class Display(Observer, Protocol):
    """An observer that yields the terminal while a person is asked something."""

    def pause(self) -> None:
        """Writes nothing from now on until ``resume``; from any thread, within two seconds."""
        ...

    def resume(self) -> None:
        """Goes on, and makes up for what happened meanwhile."""
        ...


def choose(
    mode: Mode,
    stdout: TextIO,
    stderr: TextIO,
    environ: Mapping[str, str],
    *,
    verbose: bool = False,
) -> Display:
    """The display for *mode*; give it to an ``Audience``, which closes it.

    Args:
        mode: ``auto`` is ``tty`` if *stdout* is a terminal, ``CI`` is unset and ``TERM`` is not
            dumb, else ``plain``.
        stdout: What the display writes to.
        stderr: What people read in ``json`` mode.
        environ: ``CI``, ``TERM``, ``NO_COLOR``, ``FORCE_COLOR`` and the variables of CI systems.
        verbose: Whether plain output shows what agents of passed nodes wrote.

    Raises:
        UsageError: ``tty`` was asked for and *stdout* is no terminal
            (``progress-needs-terminal``).
    """
    if mode == "json":
        return JsonLines(stdout, QuietDisplay(stderr, environ))
    if mode == "quiet":
        return QuietDisplay(stdout, environ)
    if mode == "tty" and not is_terminal(stdout):
        raise UsageError(
            Problem(
                "progress-needs-terminal",
                "--progress tty needs a terminal, and the standard output is none",
                hints=("write --progress plain, or leave it to --progress auto",),
            )
        )
    if mode == "tty" or (mode == "auto" and _is_live(stdout, environ)):
        # rich is loaded for this alone: it takes longer to import than a plain run to report.
        from orchcore.reporting.console import ConsoleDisplay

        return ConsoleDisplay(stdout, environ)
    return PlainDisplay(stdout, environ, verbose=verbose)


def _is_live(stdout: TextIO, environ: Mapping[str, str]) -> bool:
    return is_terminal(stdout) and not environ.get("CI") and environ.get("TERM", "") != "dumb"
