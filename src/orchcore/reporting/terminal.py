"""A rich console bound to one terminal, and how large that terminal is."""

import errno
import os
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console

from orchcore.reporting.layout import Size

_SIZE_KEYS = frozenset({"COLUMNS", "LINES"})


def terminal_console(stream: TextIO, environ: Mapping[str, str], *, colour: bool) -> Console:
    """A console that writes to *stream* what it is given: no markup, no emoji, no highlighting.

    Its size is left to the caller: rich would ask other files for it, and an exported
    ``COLUMNS`` would outlive a resize.
    """
    return _Console(
        file=stream,
        force_terminal=True,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={key: value for key, value in environ.items() if key not in _SIZE_KEYS},
    )


def terminal_size(stream: TextIO, environ: Mapping[str, str]) -> Size:
    """The size of the terminal behind *stream*, at least 20 by 3.

    Where it tells none, ``COLUMNS`` and ``LINES`` count, else it is taken for 80 by 24.
    """
    try:
        width, height = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        width = height = 0
    return Size(
        max(width or _number(environ.get("COLUMNS"), 80), 20),
        max(height or _number(environ.get("LINES"), 24), 3),
    )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Ends the view; rich would point stdout of the whole process elsewhere and exit."""
        raise BrokenPipeError(errno.EPIPE, "the terminal went away")


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
