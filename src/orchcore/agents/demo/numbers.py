"""Numbers within the bounds of a JSON schema."""

import math

from orchcore.agents.demo.draw import Draw
from orchcore.agents.demo.shapes import Schema

_SPAN = 9


def whole_number(schema: Schema, draw: Draw, place: str) -> int:
    """An integer that *schema* allows; small and positive where it leaves the choice."""
    step = max(1, math.ceil(float(schema.get("multipleOf", 1))))
    least, most = _whole_bounds(schema)
    lowest, highest = _spread(least, most, step)
    first, last = -(-lowest // step), highest // step
    return step * (first + draw.below(place, last - first + 1))


def real_number(schema: Schema, draw: Draw, place: str) -> float:
    """A number that *schema* allows; with one decimal where that fits."""
    if step := schema.get("multipleOf"):
        return _multiple(schema, float(step), draw, place)
    least, most = _real_bounds(schema)
    share = (1 + draw.below(place, 97)) / 98
    exact = least + (most - least) * share
    for digits in (1, 2, 4):
        rounded = round(exact, digits)
        if allowed(schema, rounded):
            return rounded
    return exact if allowed(schema, exact) else least


def allowed(schema: Schema, value: float) -> bool:
    """Whether *value* is within the bounds of *schema*."""
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = (
        schema.get("exclusiveMinimum", -math.inf),
        schema.get("exclusiveMaximum", math.inf),
    )
    return bool(least <= value <= most and above < value < below)


def _whole_bounds(schema: Schema) -> tuple[int | None, int | None]:
    least = [math.ceil(schema[key]) for key in ("minimum",) if key in schema]
    least += [math.floor(schema[key]) + 1 for key in ("exclusiveMinimum",) if key in schema]
    most = [math.floor(schema[key]) for key in ("maximum",) if key in schema]
    most += [math.ceil(schema[key]) - 1 for key in ("exclusiveMaximum",) if key in schema]
    return max(least, default=None), min(most, default=None)


def _spread(least: int | None, most: int | None, step: int) -> tuple[int, int]:
    """Both bounds, the open ones set close to the other or to one."""
    span = max(_SPAN, 4 * step)
    if least is not None:
        return least, least + span if most is None else most
    if most is None:
        return step, step + span
    return (1 if most > span else most - span), most


def _real_bounds(schema: Schema) -> tuple[float, float]:
    least = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    most = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if math.isinf(least):
        least = 0.0 if most > 0 else most - 10
    if math.isinf(most):
        most = least + 10
    return float(least), float(most)


def _multiple(schema: Schema, step: float, draw: Draw, place: str) -> float:
    least, most = _real_bounds(schema)
    most = max(most, least + 4 * step) if not _closed_above(schema) else most
    first, last = math.floor(least / step), math.ceil(most / step)
    fitting = [k * step for k in range(first, min(last, first + 50) + 1)]
    fitting = [value for value in fitting if allowed(schema, value)]
    return draw.pick(place, fitting) if fitting else least


def _closed_above(schema: Schema) -> bool:
    return "maximum" in schema or "exclusiveMaximum" in schema
