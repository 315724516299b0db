"""Digests of what a result depends on: equal keys, equal work.

A key is made of named parts, so that a difference can be told. Values that have no digest (they
cannot be written as JSON) make no key: what depends on them runs again.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel

from orchcore.declarations.body import RAISED
from orchcore.execution.choosing import Choice
from orchcore.execution.storing import stored
from orchcore.results import SessionRef

_WHOLE_FILE_BYTES = 64 * 2**20


class NoDigestError(Exception):
    """A value has no digest; the text says of which type it is."""


@dataclass(frozen=True, slots=True)
class Key:
    """What something depends on.

    Attributes:
        digest: Of all parts.
        parts: Digest, or a short text, of each part by name.
    """

    digest: str
    parts: Mapping[str, str]

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> "Key":
        """The key of these *parts*; their order does not matter."""
        told = "\0".join(sorted(f"{name}={part}" for name, part in parts.items()))
        return cls(text_digest(told), parts)

    def differs(self, before: Mapping[str, str]) -> list[str]:
        """The names of parts that are not as *before*."""
        names = sorted(self.parts.keys() | before.keys())
        return [name for name in names if self.parts.get(name) != before.get(name)]


def text_digest(text: str) -> str:
    """A digest of *text*: 32 hexadecimal digits."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def value_digest(value: object, project: Path) -> str:
    """A digest of *value*; equal for equal values in any process.

    A file's content counts, not only its name. What is secret does not: a new password is no
    other task.

    Args:
        value: Anything.
        project: Where relative paths begin.

    Raises:
        NoDigestError: There is none.
    """
    try:
        return text_digest(_Writing(project).told(value))
    except NoDigestError:
        raise
    except RAISED as error:  # the user's properties and serializers may raise anything
        raise NoDigestError(type(value).__name__) from error


def agent_digest(choice: Choice, project: Path) -> str:
    """A digest of the agent and of all that makes its answers what they are."""
    settings, options = choice.settings, choice.options
    folder = choice.cwd
    parts = {
        "agent": choice.name,
        "adapter": choice.adapter.name,
        "program": settings.program,
        "model": choice.model,
        "permission": choice.permission,
        "tools": choice.tools,
        "args": settings.args,
        "argv": settings.argv,
        "hermetic": settings.hermetic,
        "env": {name: text_digest(value) for name, value in choice.env.items()},
        "cwd": f"{folder}/".removeprefix(f"{project}/"),
        "max_turns": options.max_turns,
        "max_tool_calls": options.max_tool_calls,
    }
    return text_digest(json.dumps(parts, sort_keys=True, default=str))


@dataclass(frozen=True, slots=True)
class _Writing:
    """Writes values as texts that are equal for equal ones.

    Attributes:
        project: Where relative paths begin.
    """

    project: Path

    def told(self, value: object) -> str:
        """*value* as a text."""
        for kinds, write in _WRITERS:
            if isinstance(value, kinds):
                return write(self, value)
        if is_dataclass(value) and not isinstance(value, type):
            return self.fields(value, [one.name for one in fields(value)])
        return _as_json(value)

    def fields(self, value: object, names: Iterable[str]) -> str:
        """An object by its fields."""
        inner = (f"{name}={self.told(getattr(value, name))}" for name in names)
        return f"{type(value).__qualname__}({','.join(inner)})"

    def model(self, value: BaseModel) -> str:
        """A model, with what it was given beside its fields."""
        return f"{self.fields(value, [*type(value).model_fields])}{self.told(value.model_extra)}"

    def mapping(self, value: Mapping[object, object]) -> str:
        """A mapping, in no order."""
        items = sorted(f"{self.told(key)}:{self.told(item)}" for key, item in value.items())
        return f"{{{','.join(items)}}}"

    def items(self, value: Iterable[object]) -> list[str]:
        """Every item."""
        return [self.told(item) for item in value]


_WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[_Writing, Any], str]], ...] = (
    (Enum, lambda _, value: f"{type(value).__qualname__}.{value.name}"),
    ((str, int, float, type(None)), lambda _, value: json.dumps(value)),
    (bytes, lambda _, value: f"bytes {value.hex()}"),
    (PurePath, lambda told, value: f"path {value} {_content(told.project / value)}"),
    (SessionRef, lambda _, value: f"session {value.agent} {value.session_id} {value.chain}"),
    ((list, tuple), lambda told, value: f"[{','.join(told.items(value))}]"),
    ((set, frozenset), lambda told, value: f"{{{','.join(sorted(told.items(value)))}}}"),
    (dict, _Writing.mapping),
    (BaseModel, _Writing.model),
)
"""How values are written, by type; the first that fits."""


def _as_json(value: Any) -> str:
    text = None if callable(value) else stored(value, None)
    if text is None:
        raise NoDigestError(type(value).__name__)
    return f"{type(value).__qualname__} {text}"


def _content(path: Path) -> str:
    """What the file *path* holds, if it is one; of a very large one its size and time."""
    try:
        if not path.is_file():
            return ""
        found = path.stat()
        if found.st_size > _WHOLE_FILE_BYTES:
            return f"{found.st_size} {found.st_mtime_ns}"
        return blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except (OSError, ValueError):
        return ""
