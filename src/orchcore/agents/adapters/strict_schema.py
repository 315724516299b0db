"""JSON schemas as OpenAI's strict mode takes them, and reading what came back.

Strict mode wants an object at the root, every property required and no others. What it has no word
for is left out where that only loosens the schema: whoever asked checks the answer against their
own. A schema with a shape that it cannot express (a free-form object, a tuple) is not strict.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import cast

from orchcore.agents.adapters.json_fields import whole

type Schema = Mapping[str, object]
type Shape = dict[str, object]

KEY = "answer"
"""The one field of the object in which anything else than an object travels."""

_KEPT = frozenset(
    {
        *("type", "title", "description", "enum", "const", "multipleOf"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
    }
)
_LOOSENED = frozenset(
    {
        *("default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator"),
        *("minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"),
        *("required", "additionalProperties", "contentMediaType", "contentEncoding"),
        *("$schema", "$id", "$comment"),
    }
)
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)


class NotStrictError(Exception):
    """A schema that strict mode cannot express."""


def strict(schema: Schema) -> Schema | None:
    """*schema* so that strict mode takes it; ``None`` if it cannot.

    Every instance of the result, unboxed, has the shape of *schema*; limits on lengths and the
    like may be lost.

    Example:
        >>> asked = {"type": "object", "properties": {"a": {"type": "string", "default": ""}}}
        >>> strict(asked)["required"]
        ['a']
        >>> strict({"type": "object"}) is None
        True
    """
    definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    root = {key: value for key, value in schema.items() if key not in definitions}
    try:
        shape = _strict(root if is_object(schema) else _boxed(root))
        return {**shape, **{key: _each(part) for key, part in definitions.items()}}
    except (NotStrictError, RecursionError):
        return None


def is_object(schema: Schema) -> bool:
    """Whether its instances are objects, which need no box."""
    return schema.get("type") == "object"


def answer_in(text: str, schema: Schema) -> tuple[object] | None:
    """The JSON value that *text* is, or that its last fenced block is, out of its box.

    Returns:
        The value alone in a tuple, since ``None`` is one. ``None`` if there is none, or if *schema*
        asks for an object and the value is another.
    """
    for candidate in (text, *reversed(_FENCE.findall(text))):
        try:
            value = whole(json.loads(candidate, parse_constant=_no_json))
        except (ValueError, RecursionError):
            continue
        if not is_object(schema):
            return (_unboxed(value),)
        return None if _fields(value) is None else (value,)
    return None


def in_words(schema: Schema) -> str:
    """What a prompt says of *schema* where no flag does."""
    return (
        "\n\nAnswer with one JSON value that is valid for this JSON schema, and with nothing "
        f"else (no prose, no code fence):\n{json.dumps(schema, ensure_ascii=False)}"
    )


def _boxed(schema: Schema) -> Shape:
    return {"type": "object", "properties": {KEY: schema}}


def _unboxed(value: object) -> object:
    fields = _fields(value)
    return fields[KEY] if fields is not None and list(fields) == [KEY] else value


def _fields(value: object) -> Shape | None:
    return cast("Shape", value) if isinstance(value, dict) else None


def _no_json(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _strict(schema: object) -> Shape:
    given = _fields(schema)
    if given is None:
        raise NotStrictError
    if "$ref" in given:
        return _reference(given)
    shape: Shape = {}
    for key, value in given.items():
        if key in _KEPT:
            shape[key] = value
        elif key in _PARTS:
            shape |= _PARTS[key](value)
        elif key not in _LOOSENED:
            raise NotStrictError(key)
    return _reference(shape) if "$ref" in shape else shape | _closed(shape)


def _closed(shape: Schema) -> Shape:
    """What an object and an array must have; nothing may be without a type."""
    types = shape.get("type")
    kinds = cast("list[object]", types) if isinstance(types, list) else [types]
    if "array" in kinds and "items" not in shape:
        raise NotStrictError("items")
    if "object" in kinds:
        if "properties" not in shape:
            raise NotStrictError("properties")
        names = cast("dict[str, object]", shape["properties"])
        return {"required": list(names), "additionalProperties": False}
    if types is None and "anyOf" not in shape:
        raise NotStrictError("type")
    return {}


def _reference(given: Schema) -> Shape:
    beside = given.keys() - {"$ref", "title", "description"} - _LOOSENED
    target = given["$ref"]
    if beside or not isinstance(target, str) or not target.startswith(("#/$defs/", "#/defin")):
        raise NotStrictError("$ref")
    return {"$ref": target}


def _each(parts: object) -> Shape:
    named = _fields(parts)
    if named is None:
        raise NotStrictError
    return {name: _strict(part) for name, part in named.items()}


def _any_of(parts: object) -> Shape:
    if not isinstance(parts, list):
        raise NotStrictError
    return {"anyOf": [_strict(part) for part in cast("list[object]", parts)]}


def _all_of(parts: object) -> Shape:
    """The one schema of an ``allOf`` that has no other."""
    if not isinstance(parts, list) or len(cast("list[object]", parts)) != 1:
        raise NotStrictError
    return _strict(cast("list[object]", parts)[0])


def _format(name: object) -> Shape:
    return {"format": name} if name in _FORMATS else {}


def _pattern(pattern: object) -> Shape:
    """Without groups of the kind ``(?=...)``, of which strict mode takes no lookaround."""
    return {} if not isinstance(pattern, str) or "(?" in pattern else {"pattern": pattern}


_PARTS: Mapping[str, Callable[[object], Shape]] = {
    "properties": lambda parts: {"properties": _each(parts)},
    "items": lambda part: {"items": _strict(part)},
    "anyOf": _any_of,
    "oneOf": _any_of,
    "allOf": _all_of,
    "format": _format,
    "pattern": _pattern,
}
