"""Functions as they are written, to tell which line of them has changed."""

import ast
import linecache
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True, slots=True)
class Written:
    """A function as it is written.

    Attributes:
        text: Its lines, decorators included; empty if they are not known.
        line: Where it begins in its file, from 1.
    """

    text: str = ""
    line: int = 0


def written(fn: Callable[..., object]) -> Written:
    """*fn* as it is written, to tell later which line has changed."""
    code = getattr(fn, "__code__", None)
    if not isinstance(code, CodeType):
        return Written()
    first, last = code.co_firstlineno, max(_lines(code), default=0)
    return Written("".join(linecache.getlines(code.co_filename)[first - 1 : last]), first)


def _lines(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line is not None)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def changed_line(before: str, now: Written) -> tuple[str, int] | None:
    """What differs between the source *before* and *now*, and on which line of the file.

    Returns:
        ``prompt`` if only texts differ, else ``code``; ``None`` if the source itself is the same.
    """
    old, new = before.splitlines(), now.text.splitlines()
    pairs = enumerate(zip(old, new, strict=False))
    differing = next((number for number, (one, other) in pairs if one != other), None)
    if differing is None:
        if len(old) == len(new):
            return None
        differing = min(len(old), len(new))
    kind = "prompt" if _without_texts(before) == _without_texts(now.text) else "code"
    return kind, now.line + differing


def _without_texts(source: str) -> str:
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return source
    for found in ast.walk(tree):
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            found.value = ""
    return ast.dump(tree)
