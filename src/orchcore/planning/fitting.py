"""Whether what a source gives fits the parameter that it is wired to, without a type checker.

Only what can never fit is told: one false alarm would make a sound orchfile unusable. Classes that
say nothing of their instances (protocols, abstract collections, ``object``) are left to the type
checker, and so is a base class where one of its subclasses is expected.
"""

import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import GenericAlias
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from pydantic import BaseModel

from orchcore.declarations.gates import Approval, FanGate, Gate
from orchcore.declarations.nodes import Node
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import Either, FanOut
from orchcore.planning.annotations import hints, plain

_LISTS = (list, set, frozenset)
_PLAIN: tuple[type, ...] = (
    str, int, float, complex, bytes, types.NoneType, date, time, timedelta, Decimal, UUID,
    PurePath, tuple, dict, *_LISTS,
)  # fmt: skip
_NUMBERS = (int, float, complex)


def gives(source: object) -> Any:
    """What ``use`` of *source* gives, as far as annotations tell; else ``None``."""
    match source:
        case Node():
            returns = hints(source.spec.fn).get("return")
            return _listed(returns) if isinstance(source, FanOut) else returns
        case FanGate():
            return _listed(element(gives(source.source)))
        case Gate():
            return gives(source.source)
        case Resource():
            args = get_args(plain(hints(source.generator).get("return")))
            return args[0] if args else None
        case Either():
            both = (gives(source.first), gives(source.second))
            return None if None in both else Union[both]  # noqa: UP007  made at run time
        case _:
            return None


def given_once(source: object) -> Any:
    """What ``each`` of *source* gives to one instance, as far as annotations tell."""
    return element(gives(source)) if isinstance(source, Node | Approval) else None


def no_items(source: object) -> Any:
    """What ``each`` of *source* would get, if it is surely no list; else ``None``."""
    given = gives(source)
    of = _split(_bare(given))[0]
    is_own_list = inspect.isclass(of) and issubclass(of, Sequence) and not issubclass(of, str)
    if given is None or is_own_list:
        return None
    return given if surely_differ(given, list) and surely_differ(given, tuple) else None


def element(listed: Any) -> Any:
    """The element of a list, or of a tuple of any length; else ``None``."""
    of, args = _split(plain(listed))
    if of is list and args:
        return args[0]
    return args[0] if of is tuple and args[1:] == (...,) else None


def surely_differ(given: Any, expected: Any) -> bool:
    """Whether a value of type *given* can certainly not be one of *expected*.

    Example:
        >>> surely_differ(list[int], int), surely_differ(bool, int), surely_differ(str, Any)
        (True, False, False)
    """
    given, expected = _bare(given), _bare(expected)
    if (parts := _parts(given)) is not None:
        return all(surely_differ(part, expected) for part in parts)
    if (parts := _parts(expected)) is not None:
        return all(surely_differ(given, part) for part in parts)
    (one, given_args), (other, expected_args) = _split(given), _split(expected)
    if not (_is_judged(one) and _is_judged(other)):
        return False
    if _may_be(one, other):
        return _elements_differ(one, other, given_args, expected_args)
    return not issubclass(other, one)


def _listed(item: Any) -> Any:
    return None if item is None else GenericAlias(list, (item,))


def _bare(annotation: Any) -> Any:
    bare = plain(annotation)
    while hasattr(bare, "__supertype__"):  # a NewType
        bare = plain(bare.__supertype__)
    return types.NoneType if bare is None else bare


def _parts(annotation: Any) -> tuple[Any, ...] | None:
    """The members of a union, and the classes of a ``Literal``'s values."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    if get_origin(annotation) is Literal:
        return tuple(map(type, get_args(annotation)))
    return None


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A class and its parameters; pydantic makes classes of its own for generic models."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        of: Mapping[str, Any] = getattr(annotation, "__pydantic_generic_metadata__", {})
        return of.get("origin") or annotation, ()
    return get_origin(annotation) or annotation, get_args(annotation)


def _is_judged(cls: Any) -> bool:
    if not inspect.isclass(cls) or is_typeddict(cls) or getattr(cls, "_is_protocol", False):
        return False
    if issubclass(cls, Enum):
        return bool(list(cls))  # one without members says nothing of those that have it as base
    return issubclass(cls, (*_PLAIN, BaseModel)) or is_dataclass(cls)


def _may_be(one: type, other: type) -> bool:
    return issubclass(one, other) or (issubclass(one, _NUMBERS) and issubclass(other, _NUMBERS))


def _elements_differ(
    one: type, other: type, given: tuple[Any, ...], expected: tuple[Any, ...]
) -> bool:
    if one is not other or not given or not expected:
        return False
    if one is tuple:
        return _tuples_differ(given, expected)
    return one in (*_LISTS, dict) and any(map(surely_differ, given, expected))


def _tuples_differ(given: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    if given[1:] == (...,):
        return expected[1:] == (...,) and surely_differ(given[0], expected[0])
    if expected[1:] == (...,):
        return any(surely_differ(one, expected[0]) for one in given)
    return len(given) != len(expected) or any(map(surely_differ, given, expected))
