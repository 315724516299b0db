"""What was given for a parameter, as a value of its type."""

import os
import sys
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import (
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)

from orchcore.planning.annotations import is_text, plain
from orchcore.planning.plan import ParameterSpec


def read_value(spec: ParameterSpec, raw: object) -> object:
    """*raw*, validated.

    Texts may be ``@file`` or ``-`` where strings are wanted, and JSON where anything else is.

    Args:
        spec: The parameter.
        raw: Text of a command line (a list of texts for a repeated option), or a value.

    Raises:
        pydantic.ValidationError: It is none of the parameter's type.
        OSError: Its file cannot be read.
        UnicodeDecodeError: Its file is no text.
    """
    adapter = _adapter(spec.annotation)
    items = _items(raw)
    if isinstance(raw, str) and is_text(spec.annotation):
        raw = _expanded(raw)
    elif items is not None and all(map(is_text, get_args(plain(spec.annotation)))):
        raw = [_expanded(item) if isinstance(item, str) else item for item in items]
    try:
        return _from_here(adapter.validate_python(raw), raw)
    except ValidationError as error:
        if (text := _as_json(raw)) is None:
            raise
        try:
            return adapter.validate_json(text)
        except ValidationError as inside:
            raise (inside if wants_json(error) else error) from None


def wants_json(error: ValidationError) -> bool:
    """Whether a text was refused because an object or a list is wanted: ``dict_type``, ..."""
    return error.errors()[0]["type"].endswith("_type")


def checked_default(spec: ParameterSpec) -> object:
    """The default of *spec*, which is Python of the orchfile: nothing is converted.

    Raises:
        pydantic.ValidationError: It is none of the parameter's type.
    """
    try:
        return _adapter(spec.annotation).validate_python(spec.default, strict=True)
    except PydanticUserError:  # an annotation that pydantic cannot read says nothing
        return spec.default


def reads_stdin(spec: ParameterSpec, raw: object) -> int:
    """How often *raw*, given for *spec*, asks for the standard input."""
    if isinstance(raw, str):
        return int(raw == "-" and (spec.secret or is_text(spec.annotation)))
    items = _items(raw)
    texts = items is not None and all(map(is_text, get_args(plain(spec.annotation))))
    return items.count("-") if items is not None and texts else 0


def _adapter(annotation: Any) -> TypeAdapter[object]:
    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError:  # any class: a program may give an instance
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def _items(raw: object) -> list[object] | None:
    return cast("list[object]", raw) if isinstance(raw, list) else None


def _as_json(raw: object) -> str | None:
    """Text that is meant as JSON: an object or list, or a list of such texts."""
    items = _items(raw)
    every = [raw] if items is None else items
    texts = [item for item in every if isinstance(item, str) and item.startswith(("[", "{"))]
    if not texts or len(texts) < len(every):
        return None
    return texts[0] if items is None else f"[{','.join(texts)}]"


def _expanded(text: str) -> str:
    """``@file`` is a file's content, ``-`` is stdin's; ``@@`` is a literal ``@``."""
    if text == "-":
        return sys.stdin.read()
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        return Path(os.path.expanduser(text[1:])).read_text("utf-8")  # noqa: PTH111
    return text


def _from_here(value: object, raw: object) -> object:
    """*value*; a path that was given as text is meant from here, whoever uses it where."""
    if isinstance(raw, str) and isinstance(value, Path):
        return value.expanduser().absolute()
    return value
