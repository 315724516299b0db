"""A text that a regular expression accepts."""

import re
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from orchcore.agents.demo.draw import Draw

_PRINTABLE = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/ @#+=!?*~"
_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_WORD": "abcdefghijklmnopqrstuvwxyz",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "abcdefghijklmnopqrstuvwxyz",
    "CATEGORY_NOT_WORD": "-.:/",
    "CATEGORY_NOT_SPACE": "abcdefghijklmnopqrstuvwxyz",
}
_STRETCHES = (0, 1, 2, 3, 5, 8, 13, 21, 34)

type _Token = tuple[Any, Any]


def matching(pattern: str, draw: Draw, place: str, length: tuple[int, int]) -> str | None:
    """A text in which *pattern* is found, or ``None`` if none came up.

    Args:
        pattern: Python's or Rust's dialect (pydantic's default); look-arounds are only checked.
        draw: Where choices come from.
        place: What the text is for.
        length: Shortest and longest text allowed.
    """
    try:
        tokens: Sequence[_Token] = import_module("re._parser").parse(_python_dialect(pattern))
        accepts = re.compile(_python_dialect(pattern)).search
    except (re.error, OverflowError, RecursionError):
        return None
    shortest, longest = length
    for attempt in range(60):
        stretch = (*_STRETCHES, shortest)[attempt % (len(_STRETCHES) + 1)]
        writer = _Writer(draw.shifted(attempt // 7), stretch)
        text = writer.written(tokens, place)
        if shortest <= len(text) <= longest and accepts(text):
            return text
    return None


def _python_dialect(pattern: str) -> str:
    return re.sub(r"\\[pP]\{[^}]*\}", r"\\w", pattern).replace(r"\z", r"\Z")


class _Writer:
    """Writes one text; *stretch* is added to the count of every open-ended repeat."""

    def __init__(self, draw: Draw, stretch: int) -> None:
        self._draw = draw
        self._stretch = stretch
        self._groups: dict[int, str] = {}

    def written(self, tokens: Iterable[_Token], place: str) -> str:
        return "".join(
            self._token(token, f"{place}.{number}") for number, token in enumerate(tokens)
        )

    def _token(self, token: _Token, place: str) -> str:
        operator, argument = str(token[0]), token[1]
        write = _WRITERS.get(operator)
        return write(self, argument, place) if write else ""

    def literal(self, code: int, place: str) -> str:
        del place
        return chr(code)

    def not_literal(self, code: int, place: str) -> str:
        return self._draw.pick(place, _PRINTABLE.replace(chr(code), ""))

    def any(self, argument: None, place: str) -> str:
        del argument
        return self._draw.pick(place, _PRINTABLE[:26])

    def one_of(self, members: list[_Token], place: str) -> str:
        negated = str(members[0][0]) == "NEGATE"
        chars = "".join(_chars(member) for member in members)
        if negated:
            chars = "".join(char for char in _PRINTABLE if char not in chars)
        return self._draw.pick(place, chars) if chars else ""

    def branch(self, argument: tuple[Any, list[list[_Token]]], place: str) -> str:
        return self.written(self._draw.pick(place, argument[1]), place)

    def group(self, argument: tuple[int | None, int, int, list[_Token]], place: str) -> str:
        text = self.written(argument[3], place)
        if argument[0] is not None:
            self._groups[argument[0]] = text
        return text

    def atomic(self, tokens: list[_Token], place: str) -> str:
        return self.written(tokens, place)

    def reference(self, number: int, place: str) -> str:
        del place
        return self._groups.get(number, "")

    def repeat(self, argument: tuple[int, int, list[_Token]], place: str) -> str:
        least, most, tokens = argument
        spread = self._draw.below(f"{place}/count", 3)
        count = min(int(most), least + self._stretch + (spread if self._stretch else 0))
        return "".join(self.written(tokens, f"{place}x{number}") for number in range(count))


def _chars(member: _Token) -> str:
    kind, argument = str(member[0]), member[1]
    if kind == "LITERAL":
        return chr(argument)
    if kind == "RANGE":
        first, last = argument
        return "".join(chr(code) for code in range(first, min(last, first + 127) + 1))
    return _CATEGORIES.get(str(argument), "") if kind == "CATEGORY" else ""


_WRITERS: dict[str, Callable[[_Writer, Any, str], str]] = {
    "LITERAL": _Writer.literal,
    "NOT_LITERAL": _Writer.not_literal,
    "ANY": _Writer.any,
    "IN": _Writer.one_of,
    "BRANCH": _Writer.branch,
    "SUBPATTERN": _Writer.group,
    "ATOMIC_GROUP": _Writer.atomic,
    "GROUPREF": _Writer.reference,
    "MAX_REPEAT": _Writer.repeat,
    "MIN_REPEAT": _Writer.repeat,
    "POSSESSIVE_REPEAT": _Writer.repeat,
}
