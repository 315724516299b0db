"""Lines with colours, kept apart from the codes that make them.

This is the one gate to a terminal: ``painted`` cleans every piece of text that it writes.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, TextIO

from orchcore.reporting.sanitize import clean_line

type Style = Literal[
    "", "bold", "dim", "red", "green", "yellow", "cyan", "bold red", "bold green", "bold yellow"
]
type Line = tuple[tuple[str, Style], ...]
"""Pieces of text, each with its style; never holds a line end."""

_CODES: Mapping[Style, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "bold red": "1;31",
    "bold green": "1;32",
    "bold yellow": "1;33",
}


def plain_line(text: str, style: Style = "") -> Line:
    """A line of one piece."""
    return ((text, style),)


def painted(line: Line, *, colour: bool) -> str:
    """*line* ready for a terminal or a log, without its line end."""
    if not colour:
        return clean_line("".join(text for text, _ in line)).rstrip()
    return "".join(_painted_piece(text, style) for text, style in line).rstrip()


def painted_lines(lines: Iterable[Line], *, colour: bool) -> str:
    """*lines* ready for a terminal or a log, each with its line end."""
    return "".join(f"{painted(line, colour=colour)}\n" for line in lines)


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether *stream* gets colours.

    ``NO_COLOR`` (no-color.org) wins over ``FORCE_COLOR``; both count when not empty. Else a
    terminal that is not dumb gets them.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and environ.get("TERM", "") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Whether *stream* is a terminal; a closed one is not."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def _painted_piece(text: str, style: Style) -> str:
    clean = clean_line(text)
    return f"\x1b[{_CODES[style]}m{clean}\x1b[0m" if style else clean
