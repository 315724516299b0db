"""Builds a valid instance of (nearly) any JSON schema that pydantic 2 writes.

The same prompt, schema and history give the same instance. What a schema cannot say (a custom
validator, a date that must be past) cannot be honoured.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from orchcore.agents.demo.draw import Draw
from orchcore.agents.demo.leaves import fits, leaf, type_of
from orchcore.agents.demo.numbers import allowed, real_number, whole_number
from orchcore.agents.demo.prose import Prose, prose_of
from orchcore.agents.demo.shapes import Schema, Shapes, as_schema, branches_of

_DEEP = 5
_MANY = 400
_IDS = ("id", "key", "slug", "label", "name")
_NEEDS = re.compile(r"^(needs|depends_on|dependencies|requires|after|blocked_by|prerequisites)$")


def answer_for(
    schema: Schema, prompt: str, *, turn: int = 1, history: str = "", files: Sequence[str] = ()
) -> Any:
    """An instance of *schema*, as JSON-like data.

    Args:
        schema: A JSON schema as pydantic writes it.
        prompt: The task; its notable words fill the strings.
        turn: The how-manieth turn of its conversation this is: from the second on, fields like
            ``done`` and ``approved`` are likelier true, so that loops end.
        history: What was said before; other histories give other answers.
        files: File names of the working directory, for paths.

    Example:
        >>> answer_for({"type": "integer", "minimum": 7, "maximum": 7}, "count")
        7
    """
    written_schema = json.dumps(schema, sort_keys=True, default=str)
    draw = Draw(f"{prompt}\0{written_schema}\0{history}")
    return _Builder(schema, prose_of(prompt, draw, files), turn).build(schema, "", 0)


class _Builder:
    def __init__(self, root: Schema, prose: Prose, turn: int) -> None:
        self._shapes = Shapes(root)
        self._prose = prose
        self._turn = turn
        self._built = 0
        self._siblings: tuple[str, ...] | None = None

    @property
    def _draw(self) -> Draw:
        return self._prose.draw

    def build(self, schema: object, place: str, depth: int) -> Any:
        self._built += 1
        flat = self._shapes.flat(schema)
        if "const" in flat:
            return flat["const"]
        if flat.get("enum"):
            return self._draw.pick(place, flat["enum"])
        if branches := branches_of(flat):
            return self._branch(flat, branches, place, depth)
        if (example := self._example(flat, place)) is not None:
            return example
        return self._typed(flat, type_of(flat), place, depth)

    def _typed(self, flat: Schema, kind: str, place: str, depth: int) -> Any:
        if kind == "object":
            return dict(self._members(flat, place, depth + 1))
        if kind == "array":
            return self._array(flat, place, depth + 1)
        if "contentSchema" in flat:
            return json.dumps(self.build(flat["contentSchema"], place, depth + 1))
        return leaf(flat, kind, self._prose, place, self._turn)

    def _tight(self, depth: int) -> bool:
        return depth >= _DEEP or self._built > _MANY

    def _branch(self, flat: dict[str, Any], branches: list[Any], place: str, depth: int) -> Any:
        rest = {key: value for key, value in flat.items() if key not in ("anyOf", "oneOf")}
        nulls = [branch for branch in branches if as_schema(branch).get("type") == "null"]
        others = [branch for branch in _plausible(branches) if branch not in nulls]
        finite = [branch for branch in others if self._shapes.height(branch) < math.inf]
        if not finite or (nulls and self._omitted(place, depth)):
            return None
        if self._tight(depth + 1):
            chosen = min(finite, key=self._shapes.height)
        else:
            chosen = self._draw.pick(f"{place}/branch", finite)
        if _is_decimal(branches):
            return self._decimal(self._shapes.flat(chosen), place)
        return self.build({"allOf": [rest, chosen]}, place, depth)

    def _decimal(self, flat: Schema, place: str) -> float:
        """A whole number where there is one: the schema hides ``decimal_places``."""
        number = whole_number(flat, self._draw, place)
        return number if allowed(flat, number) else real_number(flat, self._draw, place)

    def _omitted(self, place: str, depth: int) -> bool:
        return self._tight(depth) or self._draw.below(f"{place}/there", 4) == 0

    def _members(self, flat: Schema, place: str, depth: int) -> Iterator[tuple[str, Any]]:
        properties, required = as_schema(flat.get("properties")), flat.get("required", ())
        count = 0
        # What tells the members of a union apart must be there, default or not.
        telling = as_schema(flat.get("discriminator")).get("propertyName")
        for name, schema in properties.items():
            inner = f"{place}.{name}" if place else name
            if name in required or name == telling or self._wanted(schema, inner, depth):
                count += 1
                yield name, self.build(schema, inner, depth)
        for key, schema in self._entries(flat, place, depth, count):
            yield key, self.build(schema, f"{place}.{key}", depth)

    def _wanted(self, schema: object, place: str, depth: int) -> bool:
        if "const" in as_schema(schema):
            return True
        return self._shapes.height(schema) < math.inf and not self._omitted(place, depth)

    def _entries(
        self, flat: Schema, place: str, depth: int, there: int
    ) -> Iterator[tuple[str, object]]:
        """Keys of a mapping with the schemas of their values."""
        patterns = as_schema(flat.get("patternProperties"))
        values = next(iter(patterns.values()), flat.get("additionalProperties", True))
        least = flat.get("minProperties", 0) - there
        open_ended = not flat.get("properties") and values is not False
        if not open_ended or self._shapes.height(values) == math.inf or self._tight(depth):
            wanted = least
        else:
            wanted = max(least, 1 + self._draw.below(f"{place}/keys", 2))
        wanted = min(wanted, flat.get("maxProperties", wanted) - there)
        keys = self._distinct(self._key_schema(flat, patterns), f"{place}/key", max(0, wanted))
        return ((key, values) for key in keys)

    def _key_schema(self, flat: Schema, patterns: Schema) -> Schema | None:
        names = self._shapes.flat(flat.get("propertyNames"))
        if patterns:
            names = {**names, "pattern": next(iter(patterns))}
        return {"type": "string", **names} if names else None

    def _distinct(self, schema: Schema | None, place: str, wanted: int) -> list[str]:
        if schema is None:
            # pydantic hides that the keys of dict[int, X] are numbers: these are both.
            return [str(number + 1) for number in range(wanted)]
        return self._different(schema, place, wanted, 0)

    def _different(self, schema: object, place: str, wanted: int, depth: int) -> list[Any]:
        """Up to *wanted* instances, no two alike: each choice is shifted until one is new."""
        found: dict[str, Any] = {}
        prose = self._prose
        for shift in range(8 * wanted):
            if len(found) == wanted:
                break
            self._prose = prose.shifted(shift)
            value = self.build(schema, place, depth)
            found.setdefault(json.dumps(value, sort_keys=True), value)
        self._prose = prose
        return list(found.values())

    def _array(self, flat: Schema, place: str, depth: int) -> list[Any]:
        fixed = [
            self.build(schema, f"{place}[{index}]", depth)
            for index, schema in enumerate(flat.get("prefixItems", ()))
        ]
        items = flat.get("items", not fixed)
        wanted = self._length(flat, items, place, depth) - len(fixed)
        if items is False or wanted <= 0:
            return fixed
        if self._siblings is not None and _may_refer(flat, items, place):
            return self._some_siblings(place, self._siblings)
        if flat.get("uniqueItems"):
            return fixed + self._different(items, f"{place}[]", wanted, depth)
        return fixed + self._listed(items, place, wanted, depth)

    def _length(self, flat: Schema, items: object, place: str, depth: int) -> int:
        least = flat.get("minItems", 0)
        if self._tight(depth) or self._shapes.height(items) == math.inf:
            return int(least)
        wanted = max(least, 1 + self._draw.below(f"{place}/length", 3))
        return int(min(wanted, flat.get("maxItems", wanted)))

    def _listed(self, items: object, place: str, wanted: int, depth: int) -> list[Any]:
        listed: list[Any] = []
        outer = self._siblings
        named = set(_IDS) & set(as_schema(self._shapes.flat(items).get("properties")))
        for index in range(wanted):
            # What an item may depend on are the items before it, so no list has a cycle.
            self._siblings = tuple(filter(None, map(_id_of, listed))) if named else None
            listed.append(self.build(items, f"{place}[{index}]", depth))
        self._siblings = outer
        return listed

    def _some_siblings(self, place: str, earlier: tuple[str, ...]) -> list[str]:
        return list(earlier[-1:]) if self._draw.below(f"{place}/needs", 3) else []

    def _example(self, flat: Schema, place: str) -> Any:
        examples = [value for value in flat.get("examples") or () if fits(flat, value)]
        return self._draw.pick(f"{place}/example", examples) if examples else None


def _plausible(branches: list[Any]) -> list[Any]:
    """Leaves the string out of a Decimal: pydantic does not say that it must be a number."""
    if not _is_decimal(branches):
        return branches
    return [branch for branch in branches if as_schema(branch).get("type") != "string"]


def _is_decimal(branches: list[Any]) -> bool:
    kinds = [as_schema(branch).get("type") for branch in branches]
    return "number" in kinds and "string" in kinds


def _may_refer(flat: Schema, items: object, place: str) -> bool:
    """Whether this list may hold ids of earlier siblings, or none."""
    plain = as_schema(items).get("type") == "string" and not flat.get("minItems")
    return plain and bool(_NEEDS.search(place.rpartition(".")[2]))


def _id_of(value: Any) -> str:
    found = (as_schema(value).get(key) for key in _IDS)
    return next((name for name in found if isinstance(name, str)), "")
