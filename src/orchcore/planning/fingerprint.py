"""What a body is made of, as a digest: its own code and the user's code that it uses. Pure.

Comments, blank lines, docstrings and the place in a file do not count; constants do. Followed is
what the code names and what that is made of in turn, as long as it stands in files of the project:
functions with their defaults, methods, classes with their bases, models with their fields,
modules, plain values and containers. Installed packages and the standard library are not followed.
Of another Python version every digest is another.
"""

import dis
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import batched
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from orchcore.declarations.nodes import Callee

# of type ``type``, so that they narrow nothing to containers of unknown items
_PLAIN: tuple[type, ...] = (
    *(str, bytes, int, float, complex, bool, type(None), range, PurePath, re.Pattern),
    *(Decimal, Fraction, date, time, timedelta, UUID),
)
_UNORDERED: tuple[type, ...] = (set, frozenset)
_MAPPINGS: tuple[type, ...] = (dict,)
_CONTAINERS: tuple[type, ...] = (list, tuple, *_UNORDERED, *_MAPPINGS)
_METHODS: tuple[type, ...] = (property, classmethod, staticmethod, MethodType)


@dataclass(frozen=True, slots=True)
class MadeOf:
    """What a function is made of.

    Attributes:
        digest: Of its code and of the user's code that it uses.
        steps: The steps that it calls, or may.
    """

    digest: str
    steps: tuple[Callee, ...]


def fingerprint(fn: Callable[..., object], folder: Path) -> str:
    """A digest of what *fn* is made of; *folder* holds the user's own files."""
    return made_of(fn, folder).digest


@lru_cache(maxsize=4096)
def made_of(fn: Callable[..., object], folder: Path) -> MadeOf:
    """What *fn* is made of; *folder* holds the user's own files."""
    found = blake2b(digest_size=16)
    walk = _Walk(folder)
    for text in walk.parts(fn):
        found.update(text.encode("utf-8", "surrogatepass"))
        found.update(b"\0")
    steps = tuple(one for one in walk.seen.values() if isinstance(one, Callee))
    return MadeOf(found.hexdigest(), steps)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through what something is made of, each part once.

    Attributes:
        folder: Where the user's own files are.
        seen: Functions, classes, steps and objects that were met, by their ids.
    """

    folder: Path
    seen: dict[int, object] = field(default_factory=dict[int, object])

    def parts(self, value: Any) -> Iterator[str]:
        """Texts that are equal for equal values."""
        if isinstance(value, Enum):
            yield f"{type(value).__qualname__}.{value.name}"
            yield from self.parts(type(value))
        elif isinstance(value, _PLAIN):
            yield repr(value)
        elif isinstance(value, _CONTAINERS):
            yield from self._of_container(value)
        elif isinstance(value, _METHODS):
            yield from self._of_method(value)
        elif isinstance(value, partial):
            held = cast("partial[object]", value)
            yield from self.parts([held.func, held.args, held.keywords])
        elif isinstance(value, type | FunctionType | Callee):
            yield from self._once(value)
        else:
            yield from self._of_instance(value)

    def _once(self, value: type | FunctionType | Callee) -> Iterator[str]:
        if id(value) in self.seen:
            yield f"again {value.__qualname__ if isinstance(value, type) else ''}"
            return
        self.seen[id(value)] = value
        if isinstance(value, Callee):
            yield repr(sorted((name, str(option)) for name, option in value.spec.options.items()))
            yield from self.parts(value.spec.fn)
        elif isinstance(value, type):
            yield from self._of_class(value)
        elif self._is_ours(value.__code__):
            yield from _of_code(value.__code__)
            yield from self.parts([value.__defaults__, value.__kwdefaults__])
            for name, named in _named(value):
                yield name
                yield from self._of_named(named, value.__code__)
        elif wrapped := inspect.getattr_static(value, "__wrapped__", None):
            yield from self.parts(wrapped)

    def _of_named(self, value: object, code: CodeType) -> Iterator[str]:
        if not isinstance(value, ModuleType):
            yield from self.parts(value)
            return
        if not _is_in(getattr(value, "__file__", None) or "/", self.folder):
            return
        for name in sorted(set(_global_names(code)) & vars(value).keys()):
            yield name
            yield from self._of_named(vars(value)[name], code)

    def _of_container(self, value: Any) -> Iterator[str]:
        """Its items, with marks that tell where it begins and how long it is."""
        items: list[object] = list(value.items() if issubclass(type(value), _MAPPINGS) else value)
        yield f"{type(value).__name__} {len(items)}"
        if not issubclass(type(value), _UNORDERED):
            for item in items:
                yield from self.parts(item)
            return
        walks = [_Walk(self.folder, dict(self.seen)) for _ in items]  # none knows of another
        pairs = zip(walks, items, strict=True)
        yield from sorted("\0".join(walk.parts(item)) for walk, item in pairs)
        for walk in walks:
            self.seen.update(walk.seen)

    def _of_method(self, value: object) -> Iterator[str]:
        for name in ("fget", "fset", "fdel", "__func__", "__self__"):
            yield from self.parts(getattr(value, name, None))

    def _of_class(self, value: type) -> Iterator[str]:
        members: Mapping[str, Any] = dict(vars(value))
        functions = [one for one in members.values() if isinstance(one, FunctionType)]
        file = getattr(inspect.getmodule(value), "__file__", None)
        ours = file is not None and _is_in(file, self.folder)
        if not ours and not any(self._is_ours(one.__code__) for one in functions):
            return
        yield value.__qualname__
        notes = inspect.get_annotations(value)
        yield repr(sorted((name, str(kind)) for name, kind in notes.items()))
        yield from self.parts([kind for kind in notes.values() if isinstance(kind, type)])
        yield from self.parts(list(value.__bases__))
        if issubclass(value, BaseModel):
            yield from self._of_model(value)
        elif issubclass(value, Enum):
            yield from self.parts({one.name: one.value for one in value})
        for name, member in sorted(members.items()):
            if not name.startswith("__") or isinstance(member, FunctionType):
                yield name
                yield from () if isinstance(member, value) else self.parts(member)

    def _of_model(self, value: type[BaseModel]) -> Iterator[str]:
        yield inspect.cleandoc(value.__doc__ or "")  # a schema's description
        for name, one in sorted(value.model_fields.items()):
            yield f"{name}: {one.annotation} {one.metadata} {one.description} {one.title}"
            yield f"{one.alias} {one.examples} {one.json_schema_extra}"
            yield from self.parts([one.default, one.default_factory, one.annotation])

    def _of_instance(self, value: object) -> Iterator[str]:
        """An object of a class of the user's: what its fields hold."""
        if id(value) in self.seen:
            return
        self.seen[id(value)] = value
        # as of ``functools.cache``; statically: an object may answer to any name
        if wrapped := inspect.getattr_static(value, "__wrapped__", None):
            yield from self.parts(wrapped)
        elif is_dataclass(value):
            yield from self.parts(type(value))
            yield from self.parts({one.name: getattr(value, one.name, 0) for one in fields(value)})
        elif _is_in(getattr(inspect.getmodule(type(value)), "__file__", None) or "/", self.folder):
            yield from self.parts(type(value))
            yield from self.parts(dict(getattr(value, "__dict__", {})))

    def _is_ours(self, code: CodeType) -> bool:
        return _is_in(code.co_filename, self.folder)


def _of_code(code: CodeType) -> Iterator[str]:
    """Its instructions, constants as such: a docstring moves the places where they are kept."""
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield repr((names, code.co_argcount, code.co_kwonlyargcount, code.co_flags))
    extended = 0
    for operation, low in batched(code.co_code, 2):
        operand = extended << 8 | low
        extended = operand if operation == dis.EXTENDED_ARG else 0
        if operation in dis.hasconst:
            yield from _of_constant(code.co_consts[operand])
        elif not extended:
            yield f"{operation} {operand}"


def _of_constant(constant: Any) -> Iterator[str]:
    if isinstance(constant, CodeType):
        yield constant.co_name
        yield from _of_code(constant)
    elif type(constant) in _CONTAINERS:
        parts = ["\0".join(_of_constant(item)) for item in constant]
        yield f"{type(constant).__name__} {len(parts)}"
        yield from sorted(parts) if type(constant) in _UNORDERED else parts
    else:
        yield repr(constant)


def _named(fn: FunctionType) -> Iterator[tuple[str, object]]:
    """What *fn* names: globals, also of functions within it, and what it closes over."""
    for name in sorted(set(_global_names(fn.__code__))):
        if name in fn.__globals__:
            yield name, fn.__globals__[name]
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


@lru_cache(maxsize=4096)
def _is_in(file: str, folder: Path) -> bool:
    path = Path(file)
    return path.is_relative_to(folder) and "site-packages" not in path.parts
