"""Results as JSON, and in a few words."""

from collections.abc import Hashable, Sized
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, TypeAdapter

from orchcore.declarations.body import RAISED
from orchcore.errors import shown_path
from orchcore.planning.annotations import SECRETS

_MASKED = "***"


@lru_cache(maxsize=1024)
def _adapter(annotation: Hashable) -> TypeAdapter[Any]:
    wanted: Any = annotation
    return TypeAdapter(wanted)


def _adapter_of(value: object, annotation: Any) -> TypeAdapter[Any]:
    wanted: Any = type(value) if annotation is None else annotation
    try:
        return _adapter(wanted)
    except TypeError:  # not hashable: Annotated[int, ["unit", "s"]]
        return TypeAdapter(wanted)


def stored(value: object, annotation: Any) -> str | None:
    """*value* as JSON by its annotated type, or ``None`` if it cannot be stored.

    Args:
        value: A phase's result.
        annotation: What the function says it returns; ``None`` if that cannot be read.
    """
    if value is None:
        return "null"
    try:
        return _adapter_of(value, annotation).dump_json(value, warnings="error").decode()
    except RAISED:  # any type, any value: what cannot be stored is not
        return None


def pretty(value: object, annotation: Any) -> str | None:
    """*value* as indented JSON for a person to approve; ``None`` if it cannot be stored."""
    try:
        adapter = _adapter_of(value, annotation)
        return adapter.dump_json(value, indent=2, warnings="error").decode()
    except RAISED:
        return None


def brief(value: object) -> str:
    """*value* in a few words: ``Plan(steps=4, risky=False)``; at most 60 characters."""
    try:
        return _MASKED if isinstance(value, SECRETS) else _in_brief(value)
    except RAISED:  # a user's __repr__ or property
        return type(value).__name__


def _in_brief(value: object) -> str:
    match value:
        case None:
            return ""
        case BaseModel():
            parts = ((name, getattr(value, name)) for name in type(value).model_fields)
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = ((one.name, getattr(value, one.name)) for one in fields(value))
        case str():
            return _cut(" ".join(value.split()))
        case PurePath():
            return shown_path(Path(value))
        case Sized():
            return f"{len(value)} items" if len(value) != 1 else "1 item"
        case _:
            return _cut(repr(value))
    inside = ", ".join(f"{name}={_short(part)}" for name, part in parts)
    return _cut(f"{type(value).__name__}({inside})")


def _short(part: object) -> str:
    match part:
        case _ if isinstance(part, SECRETS):  # not even its length is shown
            return _MASKED
        case str():
            words = " ".join(part.split())
            return repr(words if len(words) <= 20 else f"{words[:19]}…")
        case BaseModel():
            return type(part).__name__
        case PurePath():
            return shown_path(Path(part))
        case Sized():
            return str(len(part))
        case _:
            return repr(part)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
