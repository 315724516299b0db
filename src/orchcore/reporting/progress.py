"""Which display a run gets."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TextIO

from orchcore.errors import Problem, UsageError
from orchcore.reporting.audience import Observer
from orchcore.reporting.jsonlines import JsonLines
from orchcore.reporting.plain import PlainDisplay
from orchcore.reporting.quiet import QuietDisplay
from orchcore.reporting.sanitize import harmless_line
from orchcore.reporting.styled import is_terminal

_CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "TEAMCITY_VERSION")

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


def prints_of(
    display: Display, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, Callable[[str], str]]]:
    """What becomes of the lines that bodies print while *display* shows a run.

    Returns:
        The streams whose lines the display is told, since it writes there itself; and of the others
        what each line goes through: it is made harmless where a terminal or a CI system reads it.
    """
    streams = {"stdout": stdout, "stderr": stderr}
    told: tuple[str, ...] = ("stdout",)
    if isinstance(display, QuietDisplay):
        told = ()
    elif not isinstance(display, PlainDisplay | JsonLines) and is_terminal(stderr):
        told = ("stdout", "stderr")  # the live view has the terminal for itself
    return told, {
        name: harmless_line if is_terminal(stream) or _is_ci(environ) else str
        for name, stream in streams.items()
        if name not in told
    }


def _is_ci(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in _CI_VARIABLES)


def _is_live(stdout: TextIO, environ: Mapping[str, str]) -> bool:
    return is_terminal(stdout) and not environ.get("CI") and environ.get("TERM", "") != "dumb"
