"""Secrets are never shown: what stands for them is ``***``.

A ``Mask`` knows the secret texts of one run. It is made once, where plan, environment and agents
are known, and every text on its way to an observer, a terminal or a file that is meant for others
passes through it. Journal and transcripts are private files and do not.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from re import Pattern, escape
from re import compile as pattern_of
from typing import Self, cast

from orchcore.reporting.sanitize import without_sequences

MASKED = "***"
SHORTEST = 8
"""A shorter text is none: it would stand in too much that is not secret."""

_NESTED = 2
"""How deep JSON within JSON is foreseen: an answer that quotes JSON."""
_CUT_FROM = 16
"""So much of a secret's beginning is hidden where a text was cut within it."""
_ELLIPSES = ("…", "...")


@dataclass(frozen=True, slots=True)
class Mask:
    """Hides secret texts; false if it knows none.

    Attributes:
        forms: As which they may be met, the longest first.

    Example:
        >>> Mask.of(["hunter2-hunter2"])("the token is hunter2-hunter2")
        'the token is ***'
    """

    forms: tuple[str, ...] = field(default=(), repr=False)
    _heads: tuple[str, ...] = field(default=(), repr=False)
    _least: int = 0
    _whole: Pattern[str] = field(default=pattern_of(r"(?!)"), repr=False)
    _begun: Mapping[str, tuple[tuple[str, int], ...]] = field(
        default_factory=dict[str, tuple[tuple[str, int], ...]], repr=False
    )

    @classmethod
    def of(cls, secrets: Iterable[str], shortest: int = SHORTEST) -> Self:
        """The mask of *secrets*, each whole and line by line, also as JSON writes them.

        Args:
            secrets: Texts; those shorter than *shortest*, and such lines of them, are left out.
            shortest: In characters.
        """
        found = {form for secret in secrets for form in _forms(secret, shortest)}
        forms = tuple(sorted(found, key=lambda form: (-len(form), form)))
        if not forms:
            return cls()
        heads = tuple({form[:SHORTEST]: None for form in forms})
        least = min(map(len, heads))
        return cls(
            forms, heads, least, pattern_of("|".join(map(escape, forms))), _beginnings(forms)
        )

    def __bool__(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self.forms)

    def __call__(self, text: str) -> str:
        """*text* with every secret in it masked.

        Also the beginning of one at the end or before an ellipsis, where a text was cut. Escape
        sequences are removed where they stand within a secret.
        """
        if len(text) < self._least:
            return text
        if "\x1b" in text or "\x9b" in text:
            bare = without_sequences(text)
            text = bare if self._whole.search(bare) else text
        if not self._may_stand_in(text):
            return text
        while (masked := self._whole.sub(MASKED, text)) != text:
            text = masked
        return self._without_cut(text)

    def piece(self, text: str) -> tuple[str, str]:
        """What can be shown of *text*, masked, and its end, which may be the beginning of a secret.

        The end is to be put before the next piece, or masked by itself if there is none.
        """
        start, last, end = self._begins(text), 0, 0
        if self._may_stand_in(text):
            for found in self._whole.finditer(text):
                last, end = found.span()
        if start < end:  # never through a secret: it is one, or the beginning of a longer one
            goes_on = self._begins(text[last:]) == 0
            start = last if goes_on else end + self._begins(text[end:])
        return self(text[:start]), text[start:]

    def json(self, text: str) -> str:
        """The JSON *text* masked; JSON it stays, also if a number in it is a secret."""
        masked = self(text)
        if masked is text:
            return text
        try:
            json.loads(masked)
        except ValueError:
            try:
                return json.dumps(self.data(json.loads(text)), ensure_ascii=False)
            except ValueError:  # it was no JSON
                return masked
        return masked

    def data(self, value: object) -> object:
        """*value*, made of what JSON has, with all texts and keys masked."""
        match value:
            case str():
                return self(value)
            case dict():
                named = cast("dict[str, object]", value)
                return {self(name): self.data(item) for name, item in named.items()}
            case list() | tuple():
                return [self.data(item) for item in cast("list[object]", value)]
            case int() | float() if str(value) in self.forms:
                return MASKED
            case _:
                return value

    def _may_stand_in(self, text: str) -> bool:
        # several times as fast as a regular expression of alternatives, or as any()
        for head in self._heads:  # noqa: SIM110
            if head in text:
                return True
        return False

    def _without_cut(self, text: str) -> str:
        for form in self.forms:
            at = text.find(form[:SHORTEST])
            while at >= 0:
                end = at + _alike(form, text[at : at + len(form)])
                is_cut = end == len(text) or text.startswith(_ELLIPSES, end)
                if is_cut and end - at >= min(_CUT_FROM, max(len(form) // 2, SHORTEST)):
                    text = f"{text[:at]}{MASKED}{text[end:]}"
                at = text.find(form[:SHORTEST], at + 1)
        return text

    def _begins(self, text: str) -> int:
        """Where the longest end of *text* begins with which a secret begins; else its length."""
        for form, size in self._begun.get(text[-1:], ()):
            if size <= len(text) and text.endswith(form[:size]):
                return len(text) - size
        return len(text)


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    size = min(len(one), len(other))
    return next((at for at in range(size) if one[at] != other[at]), size)


def _beginnings(forms: Iterable[str]) -> Mapping[str, tuple[tuple[str, int], ...]]:
    """Every beginning of a form that is not all of it, by its last character, the longest first."""
    by_last: dict[str, list[tuple[str, int]]] = {}
    for form in forms:
        for size in range(1, len(form)):
            by_last.setdefault(form[size - 1], []).append((form, size))
    return {last: tuple(sorted(found, key=lambda one: -one[1])) for last, found in by_last.items()}


def _forms(secret: str, shortest: int) -> Iterator[str]:
    for text in {secret, secret.strip(), *map(str.strip, secret.splitlines())}:
        if len(text) >= shortest and text.strip().strip("*"):
            yield repr(text)[1:-1]
            yield shlex.quote(text).removeprefix("'").removesuffix("'")
            yield from _as_json({text}, _NESTED)


def _as_json(texts: set[str], depth: int) -> set[str]:
    """*texts*, and as they stand in JSON texts up to *depth* deep."""
    if not depth:
        return texts
    written = {
        json.dumps(text, ensure_ascii=escaped)[1:-1] for text in texts for escaped in (False, True)
    }
    return texts | _as_json(written, depth - 1)
