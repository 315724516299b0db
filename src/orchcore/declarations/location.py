"""Where in the user's file something was written."""

import linecache
import re
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from orchcore.errors import Location

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_SKIPPED = (_PACKAGE, typing.__file__)  # Gate[int](...) passes through typing


def caller() -> tuple[str, int]:
    """File and line of the nearest frame outside orchcore; cheap, made for every edge."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  inspect.stack() reads sources
    while frame is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        frame = frame.f_back
    return ("<unknown>", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)


_DEFINES = re.compile(r"\s*(?:async\s+)?def\s+(?P<name>\w+)|.*\blambda\b")


def line_at(file: str, line: int) -> Location:
    """The location of *line* in *file*, with its source text where it can be read."""
    return Location(Path(file), line, linecache.getline(file, line).strip())


def function_at(fn: Callable[..., object]) -> Location:
    """The location of *fn*'s ``def`` line, below its decorators."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return Location(Path("<unknown>"), 0, repr(fn))
    file, first = code.co_filename, code.co_firstlineno
    lines = linecache.getlines(file)
    for number in range(first, min(first + 60, len(lines) + 1)):
        found = _DEFINES.match(lines[number - 1])
        if found is not None and found["name"] in (code.co_name, None):
            return Location(Path(file), number, lines[number - 1].strip().removesuffix(":"))
    return line_at(file, first)
