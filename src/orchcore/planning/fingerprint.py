"""What a body is made of, as a digest: its own code and the user's code that it uses. Pure.

Comments, blank lines, docstrings and the place in a file do not count; constants do. Followed are
functions, classes and plain values that the code names and that stand in files of the project;
installed packages and the standard library are not. Of another Python version every digest is
another.
"""

import ast
import dis
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import batched
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, cast

from orchcore.declarations.nodes import Callee

_PLAIN = (str, bytes, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Written:
    """A function as it is written.

    Attributes:
        text: Its lines, decorators included; empty if they are not known.
        line: Where it begins in its file, from 1.
    """

    text: str = ""
    line: int = 0


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
    seen: dict[int, object] = {}
    for text in _parts(fn, folder, seen):
        found.update(text.encode("utf-8", "surrogatepass"))
        found.update(b"\0")
    steps = tuple(one for one in seen.values() if isinstance(one, Callee))
    return MadeOf(found.hexdigest(), steps)


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


def _parts(value: object, folder: Path, seen: dict[int, object]) -> Iterator[str]:
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, Callee):
        yield repr(sorted((name, str(option)) for name, option in value.spec.options.items()))
        yield from _parts(value.spec.fn, folder, seen)
    elif isinstance(value, FunctionType):
        if _is_ours(value.__code__, folder):
            yield from _of_code(value.__code__)
            for named in _named(value):
                yield from _parts(named, folder, seen)
    elif isinstance(value, type):
        yield from _of_class(value, folder, seen)
    elif isinstance(value, (*_PLAIN, tuple, frozenset, list, dict)):
        yield from _of_value(cast("object", value))


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


def _of_constant(constant: object) -> Iterator[str]:
    if isinstance(constant, CodeType):
        yield constant.co_name
        yield from _of_code(constant)
    else:
        yield from _of_value(constant)


def _of_class(value: type, folder: Path, seen: dict[int, object]) -> Iterator[str]:
    members: Mapping[str, Any] = dict(vars(value))
    functions = [one for one in members.values() if isinstance(one, FunctionType)]
    module = inspect.getmodule(value)
    file = getattr(module, "__file__", None)
    ours = any(_is_ours(one.__code__, folder) for one in functions)
    if not ours and (file is None or not Path(file).is_relative_to(folder)):
        return
    yield value.__qualname__
    yield repr(sorted((name, str(kind)) for name, kind in inspect.get_annotations(value).items()))
    for name, member in sorted(members.items()):
        if isinstance(member, FunctionType):
            yield name
            yield from _parts(member, folder, seen)
        elif isinstance(member, _PLAIN) and not name.startswith("__"):
            yield f"{name}={member!r}"


def _of_value(value: object) -> Iterator[str]:
    if isinstance(value, frozenset):  # in no order
        yield repr(sorted(map(repr, cast("frozenset[object]", value))))
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from _of_value(item)
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            yield repr(key)
            yield from _of_value(item)
    elif isinstance(value, _PLAIN):
        yield repr(value)


def _named(fn: FunctionType) -> Iterator[object]:
    """What *fn* names: globals, also of functions within it, and what it closes over."""
    for name in sorted(set(_global_names(fn.__code__))):
        if name in fn.__globals__:
            yield fn.__globals__[name]
    for cell in fn.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _is_ours(code: CodeType, folder: Path) -> bool:
    return _is_in(code.co_filename, folder)


@lru_cache(maxsize=4096)
def _is_in(file: str, folder: Path) -> bool:
    path = Path(file)
    return path.is_relative_to(folder) and "site-packages" not in path.parts
