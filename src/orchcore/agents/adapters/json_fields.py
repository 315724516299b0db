"""JSON of unknown shape, read without ever raising."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

from pydantic_core import from_json

type Json = dict[str, Any] | list[Any] | str | float | bool | None

_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(slots=True)  # not frozen, which makes one three times as fast: a line needs several
class Fields:
    """A JSON object whose fields may be absent or of any type.

    Attributes:
        raw: The object as parsed.

    Example:
        >>> Fields({"usage": {"input": 3}}).part("usage").count("input")
        3
    """

    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of_line(cls, line: bytes) -> Self | None:
        """The object on *line*; ``None`` if it is not one JSON object."""
        try:
            value: Json = from_json(line)
        except ValueError:
            value = _slowly(line)
        return cls(value) if isinstance(value, dict) else None

    def __bool__(self) -> bool:
        """Whether it has any field."""
        return bool(self.raw)

    def __contains__(self, key: str) -> bool:
        """Whether *key* is there and not null."""
        return self.raw.get(key) is not None

    def text(self, key: str) -> str:
        """The string at *key*, else nothing."""
        value = self.raw.get(key)
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool | None:
        """The boolean at *key*, else ``None``."""
        value = self.raw.get(key)
        return value if isinstance(value, bool) else None

    def number(self, key: str) -> float | None:
        """The finite number at *key*, else ``None``."""
        value = self.raw.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def count(self, key: str) -> int | None:
        """The number at *key* as a whole number of 0 or more, else ``None``."""
        number = self.number(key)
        return int(number) if number is not None and number >= 0 else None

    def part(self, key: str) -> "Fields":
        """The object at *key*, else an empty one."""
        value: Json = self.raw.get(key)
        return Fields(value) if isinstance(value, dict) else _NOTHING

    def parts(self, key: str) -> Sequence["Fields"]:
        """The objects of the list at *key*; whatever else it holds is left out."""
        value: Json = self.raw.get(key)
        return _objects(value) if isinstance(value, list) else ()

    def words(self, key: str) -> tuple[str, ...]:
        """The strings of the list at *key*; whatever else it holds is left out."""
        value = self.raw.get(key)
        items = cast("list[object]", value) if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, str))

    def first_line(self, keys: Iterable[str]) -> str:
        """The first string at one of *keys* that is not empty, on one line; else nothing."""
        return next((text for key in keys if (text := one_line(self.text(key)))), "")

    def values(self) -> Sequence["Fields"]:
        """The fields that are objects themselves, in order."""
        return _objects(self.raw.values())


def _slowly(line: bytes) -> Json:
    """What the faster parser refuses: half surrogate pairs, deep nesting; ``None`` for no JSON."""
    try:
        value: Json = json.loads(line)
        return whole(value) if _HALF_PAIR.search(line) else value
    except (ValueError, RecursionError):
        return None


def whole(value: Json) -> Json:
    """*value* with halves of surrogate pairs replaced: they cannot be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {str(whole(key)): whole(item) for key, item in value.items()}
    return value


def one_line(text: str, limit: int = 200) -> str:
    """*text* on one line of at most *limit* characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def digest(value: object) -> str:
    """A short digest of JSON-like data; equal for equal data, whatever the order of its keys."""
    data = json.dumps(value, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).hexdigest()


_NOTHING = Fields()


def _objects(values: Iterable[Json]) -> list[Fields]:
    return [Fields(value) for value in values if isinstance(value, dict)]
