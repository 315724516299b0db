"""Which instances a fan-out has: pairing, crossing, labels. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from itertools import product, takewhile
from math import prod
from pathlib import PurePath
from typing import Any
from unicodedata import category, normalize

from orchcore.planning.plan import Axis, Fan

MAX_INSTANCES = 100_000
"""Of one node: more would be a list that was multiplied by mistake."""

_UNSAFE = re.compile(r"[^\w./@%=-]+")


class FanError(ValueError):
    """Instances cannot be made: unequal lists, unknown labels, a cycle, too many."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of one axis.

    Attributes:
        position: Its place in the axis's origin.
        label: Shell-safe name; empty if only an index is known.
        text: Its label as the user gave it, by which others name it.
    """

    position: int
    label: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One instance of a fan-out.

    Attributes:
        label: Unique within the node, shell-safe.
        position: Its place in the node's origin.
        picks: For each axis, the index of its element.
    """

    label: str
    position: int
    picks: tuple[int, ...]


def label_text(value: object) -> str:
    """The label that *value* is as it stands, or nothing if its type has no natural one."""
    match value:
        case Enum():
            return value.value if isinstance(value.value, str) else value.name
        case int() | str() | PurePath():
            return str(value)
        case _:
            return ""


def safe_label(value: object) -> str:
    """A shell-safe name for *value*, or nothing if its type has no natural one.

    Letters and digits of every script stay, in composed form (NFC).

    Example:
        >>> safe_label("fix the bug!"), safe_label("émigré")
        ('fix-the-bug', 'émigré')
    """
    text = label_text(value)
    if isinstance(value, int) and not isinstance(value, Enum):
        return text[:48]
    return _UNSAFE.sub(_replaced, normalize("NFC", text)).strip("-./=")[:48].strip("-./=")


def _replaced(unsafe: re.Match[str]) -> str:
    """A dash; but marks that belong to the letter before stay: Hindi is no Hindi without."""
    run, before = unsafe[0], unsafe.string[: unsafe.start()][-1:]
    marks = "".join(takewhile(_is_mark, run)) if before.isalnum() else ""
    return marks + "-" * (len(marks) < len(run))


def _is_mark(character: str) -> bool:
    return category(character).startswith("M")


def elements(values: Iterable[object], label: Callable[[Any], object] | None) -> list[Element]:
    """The elements of a list, named by *label* or by themselves."""
    named = [value if label is None else label(value) for value in values]
    return [Element(at, safe_label(name), label_text(name)) for at, name in enumerate(named)]


def expand(fan: Fan, per_axis: Sequence[Sequence[Element]]) -> tuple[Shape, ...]:
    """The instances of *fan*, given each axis's elements.

    Axes of one origin are paired by position in it, never by index; groups of different origin
    are zipped, or multiplied with ``cross``.

    Raises:
        FanError: Lists that are zipped differ in length, or there are too many instances.
    """
    groups = _groups(fan, per_axis)
    if (many := too_many(fan, [len(group) for group in groups])) is not None:
        raise FanError(many)
    if fan.copies is not None:
        return tuple(Shape(str(n + 1), n, ()) for n in range(fan.copies))
    rows = list(product(*groups)) if fan.cross else _zipped(groups, fan)
    own_origin = len(groups) > 1
    labels = _unique([_label(row, fan.cross) for row in rows])
    return tuple(
        Shape(label, index if own_origin else row[0].position, _picks(row, len(per_axis)))
        for index, (row, label) in enumerate(zip(rows, labels, strict=True))
    )


def too_many(fan: Fan, sizes: Sequence[int]) -> str | None:
    """What is wrong with the number of instances that lists of these *sizes* make, if anything."""
    count = fan.copies or (prod(sizes) if fan.cross else max(sizes, default=0))
    if count <= MAX_INSTANCES:
        return None
    times = f"{' x '.join(map(str, sizes))} = " if fan.cross and not fan.copies else ""
    return f"{times}{count:,} instances; a node may have {MAX_INSTANCES:,}"


def waits(
    fan: Fan, shapes: Sequence[Shape], named: Sequence[Element], needs: Sequence[Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Which instances each instance comes after, by their labels.

    The axis that has ``after=`` names elements by the labels that the user gave, which their ids
    may not keep apart. With ``cross`` an instance waits for those with its own elements of the
    other axes.

    Args:
        fan: Its only axis with ``after=`` is meant.
        shapes: All instances.
        named: The elements of that axis.
        needs: For each of them, the labels it comes after.

    Raises:
        FanError: A label is unknown, or instances wait for each other in a circle.
    """
    axis = next(index for index, one in enumerate(fan.axes) if one.edge.after is not None)
    texts = [element.text or str(element.position) for element in named]
    having: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for shape in shapes:
        key = texts[shape.picks[axis]], _others(fan, shape, axis)
        having.setdefault(key, []).append(shape.label)
    found: dict[str, tuple[str, ...]] = {}
    for shape in shapes:
        names, others = needs[shape.picks[axis]], _others(fan, shape, axis)
        unknown = [name for name in names if (name, others) not in having]
        if unknown:
            raise FanError(f"'{shape.label}' comes after '{unknown[0]}', which is no instance")
        found[shape.label] = tuple(label for name in names for label in having[name, others])
    _ensure_order(found)
    return found


def _others(fan: Fan, shape: Shape, axis: int) -> tuple[int, ...]:
    return (*shape.picks[:axis], *shape.picks[axis + 1 :]) if fan.cross else ()


def _ensure_order(after: Mapping[str, Sequence[str]]) -> None:
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        raise FanError(f"instances wait for each other: {' -> '.join(error.args[1])}") from None


def selected(
    node: str, fan: Fan, shapes: Sequence[Shape], after: Mapping[str, Sequence[str]]
) -> tuple[Shape, ...]:
    """Those instances that the user selected by id, and those that they come *after*."""
    if not fan.only:
        return tuple(shapes)
    ids = {shape.label: f"{node}:{shape.label}" for shape in shapes}
    wanted = [
        label for label, id_ in ids.items() if any(fnmatchcase(id_, only) for only in fan.only)
    ]
    for label in wanted:  # it grows: what an instance comes after comes after others
        wanted += [need for need in after.get(label, ()) if need not in wanted]
    return tuple(shape for shape in shapes if shape.label in wanted)


@dataclass(frozen=True, slots=True)
class _Row:
    """One element of a group: what each of its axes contributes."""

    position: int
    label: str
    picks: tuple[tuple[int, int], ...]


def _groups(fan: Fan, per_axis: Sequence[Sequence[Element]]) -> list[list[_Row]]:
    by_origin: dict[object, list[int]] = {}
    for index, axis in enumerate(fan.axes):
        by_origin.setdefault(index if fan.cross else axis.origin, []).append(index)
    return [_group(indices, fan.axes, per_axis) for indices in by_origin.values()]


def _group(
    indices: list[int], axes: Sequence[Axis], per_axis: Sequence[Sequence[Element]]
) -> list[_Row]:
    """The rows of aligned axes: positions that all of them have, in order."""
    places = [
        {element.position: index for index, element in enumerate(per_axis[axis])}
        for axis in indices
    ]
    naming = next((axis for axis in indices if axes[axis].edge.label is not None), None)
    candidates = [naming] if naming is not None else indices
    rows: list[_Row] = []
    for position in places[0]:
        if all(position in place for place in places):
            picks = tuple(
                (axis, place[position]) for axis, place in zip(indices, places, strict=True)
            )
            chosen = dict(picks)
            names = (per_axis[axis][chosen[axis]].label for axis in candidates)
            rows.append(_Row(position, next(filter(None, names), ""), picks))
    return rows


def _zipped(groups: list[list[_Row]], fan: Fan) -> list[tuple[_Row, ...]]:
    lengths = [len(group) for group in groups]
    if len(set(lengths)) > 1:
        counts = " and ".join(map(str, lengths))
        hint = "make them equally long, or multiply them with cross=True"
        names = ", ".join(axis.edge.shown() for axis in fan.axes)
        raise FanError(f"{names} have {counts} elements; {hint}")
    return list(zip(*groups, strict=True))


def _label(row: tuple[_Row, ...], cross: bool) -> str:
    names = [part.label or str(part.position) for part in row]
    if cross:
        return ",".join(names)
    return next((part.label for part in row if part.label), names[0])


def _unique(labels: list[str]) -> list[str]:
    used: dict[str, None] = {}  # in the order of labels
    numbers: dict[str, int] = {}  # a thousand equal labels must not count from 2 each
    for label in labels:
        name, number = label, numbers.get(label, 1)
        while name in used:
            number += 1
            name = f"{label}.{number}"
        numbers[label] = number
        used[name] = None
    return list(used)


def _picks(row: tuple[_Row, ...], axes: int) -> tuple[int, ...]:
    chosen = dict(pair for part in row for pair in part.picks)
    return tuple(chosen[axis] for axis in range(axes))
