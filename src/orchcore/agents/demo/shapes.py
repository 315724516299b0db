"""JSON schemas made flat: references followed, ``allOf`` merged, recursion measured.

What pydantic 2 writes is understood; keywords that it never writes (``not``, ``if``,
``dependentRequired``) are ignored.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

type Schema = Mapping[str, Any]

_TIGHTER: dict[str, Callable[[Any, Any], Any]] = {
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "minItems": max,
    "minProperties": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
    "maxProperties": min,
}


class Shapes:
    """The schemas of one document.

    A schema's *height* is how many containers its smallest instance nests; a schema that can only
    go on for ever has an infinite one. It is found by iterating to a fixed point: all references
    start at infinity and are lowered while any can be.
    """

    def __init__(self, root: Schema) -> None:
        """Measures every definition of *root*."""
        self._root = root
        self._heights: dict[str, float] = {}
        targets = {"#": root, **_definitions(root)}
        for _ in targets:
            before = dict(self._heights)
            self._heights |= {name: self.height(schema) for name, schema in targets.items()}
            if self._heights == before:
                break

    def flat(self, schema: object) -> dict[str, Any]:
        """*schema* with its references followed and its ``allOf`` merged; ``true`` is ``{}``."""
        merged: dict[str, Any] = {}
        for part in self._parts(schema, frozenset()):
            merged = _merged(merged, part)
        return merged

    def height(self, schema: object) -> float:
        """How deep the smallest instance of *schema* is; a scalar's is 0."""
        flat = as_schema(schema)
        heights = [0.0]
        if "$ref" in flat:
            heights.append(self._heights.get(flat["$ref"], math.inf))
        if "const" in flat or "enum" in flat:
            return 0.0
        heights += [self.height(part) for part in flat.get("allOf", ())]
        if branches := branches_of(flat):
            heights.append(min(self.height(branch) for branch in branches))
        heights += [1 + self.height(part) for part in _needed(flat)]
        return max(heights)

    def _parts(self, schema: object, seen: frozenset[str]) -> list[Schema]:
        own = dict(as_schema(schema))
        ref, parts = own.pop("$ref", None), own.pop("allOf", ())
        found: list[Schema] = []
        if isinstance(ref, str) and ref not in seen:
            found += self._parts(self._target(ref), seen | {ref})
        for part in parts:
            found += self._parts(part, seen)
        return [*found, own]

    def _target(self, ref: str) -> object:
        value: object = self._root
        for step in ref.lstrip("#").strip("/").split("/"):
            if step:
                value = as_schema(value).get(step.replace("~1", "/").replace("~0", "~"))
        return value


def as_schema(value: object) -> Schema:
    """*value* if it is an object, else the schema that allows all."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def branches_of(schema: Schema) -> list[Any]:
    """The alternatives of *schema*, if it has any."""
    return schema.get("oneOf") or schema.get("anyOf") or []


def _definitions(root: Schema) -> dict[str, Schema]:
    return {
        f"#/{group}/{name}": as_schema(schema)
        for group in ("$defs", "definitions")
        for name, schema in as_schema(root.get(group)).items()
    }


def _needed(flat: Schema) -> list[object]:
    """The schemas of everything that the smallest instance must hold."""
    properties = as_schema(flat.get("properties"))
    needed: list[object] = [properties.get(name) for name in flat.get("required", ())]
    if flat.get("minItems", 0):
        needed += [*flat.get("prefixItems", ()), flat.get("items")]
    if flat.get("minProperties", 0):
        needed += [flat.get("additionalProperties")]
        needed += as_schema(flat.get("patternProperties")).values()
    return needed


def _merged(first: Schema, second: Schema) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        merged[key] = _both(key, merged[key], value) if key in merged else value
    return merged


def _both(key: str, first: Any, second: Any) -> Any:
    if key in _TIGHTER:
        return _TIGHTER[key](first, second)
    if key == "required":
        return list(dict.fromkeys((*first, *second)))
    if key == "enum":
        return [value for value in first if value in second] or second
    if key == "properties":
        shared = {name: {"allOf": [first[name], second[name]]} for name in first if name in second}
        return {**first, **second, **shared}
    return second
