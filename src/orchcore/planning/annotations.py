"""What a function's annotations say, for the three places where they are read."""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

_MODULES = re.compile(r"(?<![\w.'\"])(?:[^\W\d]\w*\.)+(?=[^\W\d])")

SECRETS: tuple[type[Any], ...] = (SecretStr, SecretBytes, Secret)
"""What pydantic has for values that are not shown."""


@lru_cache(maxsize=4096)
def hints(fn: Callable[..., object]) -> Mapping[str, Any]:
    """Annotations by parameter name and ``return``; those that cannot be read are missing."""
    try:
        return get_type_hints(fn, include_extras=True)
    except Exception:  # noqa: BLE001  user code may raise anything while a name is looked up
        return dict(_one_by_one(fn))


def _one_by_one(fn: Callable[..., object]) -> Iterator[tuple[str, Any]]:
    known = getattr(fn, "__globals__", {})
    for name, found in getattr(fn, "__annotations__", {}).items():
        alone = SimpleNamespace(__annotations__={name: found})
        with suppress(Exception):
            yield name, get_type_hints(alone, globalns=known, include_extras=True)[name]


def plain(annotation: Any) -> Any:
    """*annotation* without ``Annotated`` and type aliases."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation


def is_list(annotation: Any) -> bool:
    """Whether it is a list or tuple of something."""
    bare = plain(annotation)
    return bare in (list, tuple) or get_origin(bare) in (list, tuple)


def is_text(annotation: Any) -> bool:
    """Whether it is ``str`` or its secret kin, or one of them ``| None``."""
    bare = plain(annotation)
    if get_origin(bare) in (Union, types.UnionType):
        return all(part is type(None) or is_text(part) for part in get_args(bare))
    return bare in (str, SecretStr, SecretBytes)


def is_secret(annotation: Any, seen: frozenset[int] = frozenset()) -> bool:
    """Whether its values are secrets, or hold some: ``list[SecretStr]``, a model with one.

    Args:
        annotation: Any.
        seen: Ids of annotations that hold this one.
    """
    if id(annotation) in seen:
        return False
    seen |= {id(annotation)}
    bare = plain(annotation)
    kind = get_origin(bare) or bare
    if inspect.isclass(kind) and issubclass(kind, SECRETS):
        return True
    return any(is_secret(part, seen) for part in get_args(bare) or _field_types(bare))


def _field_types(kind: Any) -> Iterable[Any]:
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return [one.annotation for one in kind.model_fields.values()]
    if is_typeddict(kind) or (inspect.isclass(kind) and is_dataclass(kind)):
        return hints(kind).values()
    return ()


def shown(annotation: Any) -> str:
    """As a person would write it: ``list[Review]``."""
    if annotation is None or annotation is type(None):
        return "None"
    if inspect.isclass(annotation) and not get_args(annotation):
        return annotation.__name__
    return _MODULES.sub("", str(annotation))
