"""Approval by a person: a node, never a call in a body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

from orchcore.declarations.edges import Items, NoItems
from orchcore.declarations.location import caller, line_at
from orchcore.declarations.sources import FanOut, Source
from orchcore.errors import Location


class Approval:
    """What the two kinds of gate have in common.

    Attributes:
        source: What is to be approved.
        question: What the person is asked; made from the value if it is a function.
        per_item: Whether each item has its own question.
    """

    per_item = False

    def __init__(self, source: Source[Any], question: str | Callable[[Any], str]) -> None:
        self.source = source
        self.question = question
        self._at = caller()

    @property
    def name(self) -> str:
        """``approve(plan)``."""
        return f"approve({self.source.name})"

    @property
    def declared_at(self) -> Location:
        """The line of the ``approve`` call."""
        return line_at(*self._at)


class Gate[T](Approval, Source[T]):
    """One approval of a whole value."""


class FanGate[T](Approval, FanOut[T]):
    """One approval per item."""

    per_item = True


@overload
def approve(
    source: Source[Mapping[Any, Any]], /, question: Any, *, each: Literal[True]
) -> NoItems: ...
@overload
def approve[T](
    source: Source[Items[T]], /, question: str | Callable[[T], str], *, each: Literal[True]
) -> FanOut[T]: ...
@overload
def approve[T](
    source: Source[T], /, question: str | Callable[[T], str], *, each: Literal[False] = ...
) -> Source[T]: ...
def approve(source: Any, /, question: Any, *, each: bool = False) -> Any:
    """A gate: gives the value of *source* once a person said yes.

    Args:
        source: What is to be approved; its value must be storable.
        question: What the person is asked, or a function that makes it from the value.
        each: Ask for each item of a list or fan-out, as soon as it is there.

    Returns:
        A source of the approved value; skipped if the answer was no.

    Example:
        >>> approved = approve(plan, lambda p: f"Implement these {len(p.steps)} steps?")
    """
    return FanGate[Any](source, question) if each else Gate[Any](source, question)
