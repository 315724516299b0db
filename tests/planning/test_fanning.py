"""Labels, pairing, crossing and order among instances."""

import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchcore.declarations.edges import Each
from orchcore.planning.fanning import (
    Element,
    FanError,
    elements,
    expand,
    safe_label,
    selected,
    waits,
)
from orchcore.planning.plan import Axis, Fan


def _axis(origin: object, *, label: Any = None, after: Any = None) -> Axis:
    return Axis(Each([], label, after), "list", origin)


def _fan(*axes: Axis, cross: bool = False, only: tuple[str, ...] = ()) -> Fan:
    return Fan(9, None, axes, object(), cross=cross, only=only)


def _labels(fan: Fan, *lists: list[Element]) -> list[str]:
    return [shape.label for shape in expand(fan, lists)]


_NEEDS_QUOTES = re.compile(r"[\x00-\x20!-$&-*;<>?\[-^`{-\x7f]|\s")
"""What a shell takes for more than a character of a word."""


class _Color(Enum):
    RED = "bright red"
    ONE = 1


@given(st.text() | st.integers() | st.builds(Path, st.text().filter(lambda s: "\0" not in s)))
def test_every_label_is_shell_safe(value: object) -> None:
    """Whatever a value is, its instance can be named without quotes."""
    label = safe_label(value)
    assert not _NEEDS_QUOTES.search(f"review:{label}")
    assert len(label) <= 48


@given(st.lists(st.text() | st.integers() | st.booleans() | st.none() | st.binary(), max_size=30))
def test_every_instance_has_its_own_shell_safe_label(values: list[object]) -> None:
    """Equal, empty and unnameable values still give distinct ids."""
    labels = _labels(_fan(_axis("a")), elements(values, None))
    assert len(set(labels)) == len(values)
    assert all(label and not _NEEDS_QUOTES.search(label) for label in labels)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("fix the bug!", "fix-the-bug"),
        ("codex", "codex"),
        ("émigré", "émigré"),
        ("e\u0301migre\u0301", "émigré"),
        ("日本 語!", "日本-語"),
        ("हिन्दी में", "हिन्दी-में"),
        ("\u0301 !", ""),
        ("\u2764\ufe0f love\u202e", "love"),
        (-1, "-1"),
        (3, "3"),
        (True, "True"),
        (_Color.RED, "bright-red"),
        (_Color.ONE, "ONE"),
        (Path("src/a b.py"), "src/a-b.py"),
        ("../..", ""),
        ("--yes", "yes"),
        (2.5, ""),
        (None, ""),
        ({"a": 1}, ""),
    ],
)
def test_labels_of_the_natural_types(value: object, label: str) -> None:
    """str, int, Enum and Path name themselves, everything else has its index."""
    assert safe_label(value) == label


def test_label_names_instances() -> None:
    """``label=`` replaces the value's own name."""
    named = elements([{"id": "a b"}, {"id": 7}], lambda v: v["id"])
    assert _labels(_fan(_axis("a")), named) == ["a-b", "7"]


def test_many_equal_labels_are_told_apart_quickly() -> None:
    """Twenty thousand equal values take no quadratic time."""
    labels = _labels(_fan(_axis("a")), elements(["x"] * 20_000 + ["x.2"], None))
    assert labels[:3] == ["x", "x.2", "x.3"]
    assert len(set(labels)) == 20_001


def test_lists_pair_up() -> None:
    """Several ``each`` zip; the first that has a name gives it."""
    fan = _fan(_axis("a"), _axis("b"))
    shapes = expand(fan, [elements([1.5, 2.5], None), elements(["x", "y"], None)])
    assert [(s.label, s.picks, s.position) for s in shapes] == [("x", (0, 0), 0), ("y", (1, 1), 1)]


def test_lists_that_pair_up_are_equally_long() -> None:
    """Nothing is dropped silently."""
    with pytest.raises(FanError, match=r"have 2 and 3 elements; .*cross=True"):
        expand(_fan(_axis("a"), _axis("b")), [elements([1, 2], None), elements([1, 2, 3], None)])


def test_cross_multiplies_all() -> None:
    """Every combination, in the order of nested loops."""
    fan = _fan(_axis("a"), _axis("b"), cross=True)
    labels = _labels(fan, elements(["x", "y"], None), elements([1, 2], None))
    assert labels == ["x,1", "x,2", "y,1", "y,2"]


def test_axes_of_one_origin_align_by_instance() -> None:
    """Positions decide, not places in the list: missing ones are left out."""
    fan = _fan(_axis("same"), _axis("same"))
    first = [Element(0, "a"), Element(2, "c"), Element(5, "f")]
    second = [Element(5, ""), Element(0, "")]
    shapes = expand(fan, [first, second])
    assert [(s.label, s.picks, s.position) for s in shapes] == [("a", (0, 1), 0), ("f", (2, 0), 5)]


def test_one_crossed_axis_keeps_its_positions() -> None:
    """``cross=True`` with one ``each`` is the same as without."""
    fan = _fan(_axis("a"), cross=True)
    assert [shape.position for shape in expand(fan, [[Element(1, "b"), Element(4, "e")]])] == [1, 4]


def test_an_explicit_label_wins_among_aligned_axes() -> None:
    """Of aligned axes the one with ``label=`` names the instance."""
    fan = _fan(_axis("s"), _axis("s", label=str))
    assert _labels(fan, [Element(0, "first")], [Element(0, "named")]) == ["named"]


def test_copies_are_counted() -> None:
    """``parallel=3`` without ``each`` is three attempts: 1, 2, 3."""
    assert _labels(Fan(3, 3, (), object())) == ["1", "2", "3"]


def test_a_node_has_no_more_instances_than_a_limit() -> None:
    """The number is told instead of making them."""
    thousand = elements(range(1000), None)
    with pytest.raises(FanError, match=r"1000 x 1000 = 1,000,000 instances; .* 100,000"):
        expand(_fan(_axis("a"), _axis("b"), cross=True), [thousand, thousand])
    assert len(expand(_fan(_axis("a"), _axis("b")), [thousand, thousand])) == 1000
    with pytest.raises(FanError, match=r"1,000,000,000 instances"):
        expand(Fan(10**9, 10**9, (), object()), [])


def test_order_needs_known_labels() -> None:
    """An unknown label fails the node before its first instance."""
    with pytest.raises(FanError, match="'b' comes after 'z', which is no instance"):
        _waits(["a", "b"], [[], ["z"]])


def test_order_has_no_circles() -> None:
    """Instances that wait for each other fail the node."""
    with pytest.raises(FanError, match=r"wait for each other: .* -> "):
        _waits(["a", "b"], [["b"], ["a"]])
    assert _waits(["a", "b"], [[], ["a"]]) == {"a": (), "b": ("a",)}


@pytest.mark.parametrize(
    ("labels", "named", "ids"),
    [
        (["a b", "a-b", "c"], "a-b", ("a-b.2",)),
        (["x" * 60 + "1", "x" * 60 + "2", "c"], "x" * 60 + "2", ("x" * 48 + ".2",)),
        (["d", "d", "c"], "d", ("d", "d.2")),
        ([1.5, 2.5, "c"], "1", ("1",)),
        ([7, 8, "c"], "8", ("8",)),
    ],
)
def test_order_is_by_the_labels_that_were_given(
    labels: list[object], named: str, ids: tuple[str, ...]
) -> None:
    """Ids may be cut, made safe and numbered; a label names every instance that has it."""
    assert _waits(labels, [[], [], [named]])["c"] == ids


def test_labels_without_a_safe_letter_are_told_apart() -> None:
    """What nothing is left of in an id is a label all the same."""
    labels = ["\N{CHECK MARK}", "\N{BALLOT X}", "c"]
    found = _waits(labels, [[], [], ["\N{BALLOT X}"]])
    assert list(found.values())[2] == (list(found)[1],)


def test_order_in_a_product_is_among_equal_others() -> None:
    """With ``cross`` an instance waits for those that have its own elements of the other lists."""
    fan = _fan(_axis("a", after=str), _axis("b"), cross=True)
    named = elements(["x", "y"], None)
    shapes = expand(fan, [named, elements(["1", "2"], None)])
    found = waits(fan, shapes, named, [[], ["x"]])
    assert found == {"x,1": (), "x,2": (), "y,1": ("x,1",), "y,2": ("x,2",)}


def _waits(labels: Sequence[object], needs: list[list[str]]) -> dict[str, tuple[str, ...]]:
    fan = _fan(_axis("a", after=str))
    named = elements(labels, None)
    return waits(fan, expand(fan, [named]), named, needs)


def test_selected_instances_are_kept() -> None:
    """Ids and globs of ids."""
    shapes = expand(_fan(_axis("a")), [elements(["x", "y", "z"], None)])
    kept = selected("n", _fan(_axis("a"), only=("n:x", "n:[z]*")), shapes, {})
    assert [shape.label for shape in kept] == ["x", "z"]
    assert selected("n", _fan(_axis("a")), shapes, {}) == shapes


def test_a_selected_instance_brings_those_it_comes_after() -> None:
    """All of them, in the order of the instances."""
    shapes = expand(_fan(_axis("a")), [elements(["w", "x", "y", "z"], None)])
    after = {"z": ("y",), "y": ("w",)}
    kept = selected("n", _fan(_axis("a"), only=("n:z",)), shapes, after)
    assert [shape.label for shape in kept] == ["w", "y", "z"]
