"""Values that hold no others: numbers, truths, nulls and strings."""

import re
from typing import Any, cast

from orchcore.agents.demo.draw import Draw
from orchcore.agents.demo.numbers import allowed, real_number, whole_number
from orchcore.agents.demo.prose import Prose
from orchcore.agents.demo.shapes import Schema
from orchcore.agents.demo.strings import written

_YES = re.compile(
    r"(^|_|is)(done|ok|okay|pass(ed|es)?|approved?|succe(ss|eded)|completed?|finished|accept(ed)?"
    r"|lgtm|clean|valid|ready|satisfied|agreed?|converged|solved|fixed|safe|good|stop)$"
)
_NO = re.compile(r"(^|_|is)(risky|failed|error|blocked|retry|more|continue|again|unsafe|rejected)$")


def leaf(flat: Schema, kind: str, prose: Prose, place: str, turn: int) -> Any:
    """A value of the scalar type *kind* that *flat* allows."""
    match kind:
        case "integer":
            return whole_number(flat, prose.draw, place)
        case "number":
            return real_number(flat, prose.draw, place)
        case "boolean":
            return truth(prose.draw, place, turn)
        case "null":
            return None
        case _:
            return written(flat, prose, place)


def truth(draw: Draw, place: str, turn: int) -> bool:
    """Yes or no; in later turns of a conversation likelier whatever lets a loop end.

    Args:
        draw: Where choices come from.
        place: Where it goes; names like ``done`` and ``approved`` become true with a chance of
            two in four in the first turn, three in the second and always from the third on;
            names like ``failed`` and ``retry`` the other way round.
        turn: The how-manieth turn of its conversation this is, from 1.
    """
    name = re.sub(r"\[\d*\]", "", place).rpartition(".")[2].lower()
    likely = draw.below(place, 4) < min(4, 1 + turn)
    if _YES.search(name):
        return likely
    if _NO.search(name):
        return not likely
    return draw.below(place, 2) == 0


def type_of(flat: Schema) -> str:
    """The JSON type that *flat* asks for, guessed from its keywords if it does not say."""
    kind = flat.get("type")
    if isinstance(kind, list):
        names = [str(name) for name in cast("list[object]", kind)]
        return next((name for name in names if name != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in flat or "additionalProperties" in flat:
        return "object"
    if "items" in flat or "prefixItems" in flat:
        return "array"
    return "number" if "minimum" in flat or "maximum" in flat else "string"


def fits(flat: Schema, value: object) -> bool:
    """Whether an author's example is a scalar that keeps to the schema's own bounds."""
    kind = type_of(flat)
    if isinstance(value, str):
        longest = flat.get("maxLength", len(value))
        sized = flat.get("minLength", 0) <= len(value) <= longest
        return kind == "string" and sized and "pattern" not in flat
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int):
        return kind in ("integer", "number") and allowed(flat, value)
    return isinstance(value, float) and kind == "number" and allowed(flat, value)
