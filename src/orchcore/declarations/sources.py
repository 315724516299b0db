"""What a parameter may be wired to, and what is derived from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from orchcore.declarations.agent import Agent
from orchcore.declarations.location import caller
from orchcore.results import Outcome


class Source[T]:
    """Anything a parameter may be wired to. Covariant in what it gives.

    Example:
        >>> @phase
        ... async def total(counts: list[int] = use(count)) -> int: ...
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        raise NotImplementedError(type(self).__name__)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def _value(self) -> T:
        """Never called: gives the type parameter its variance."""
        raise NotImplementedError

    def where(self, predicate: Callable[[T], bool], /) -> Condition:
        """A condition for ``when=``: whether *predicate* holds for the value.

        Args:
            predicate: Pure; called once, when the value is there.
        """
        judge = cast("Callable[[Any], bool]", predicate)
        return Condition("where", caller(), source=self, predicate=judge)

    def pick[U](self, projection: Callable[[T], U], /) -> Source[U]:
        """A part of the value, or something computed from it.

        Args:
            projection: Pure and quick; called where the value is needed.
        """
        return Picked(self, projection)

    def __or__[U](self, other: Source[U], /) -> Source[T | U]:
        """The first of the two that was not skipped."""
        return Either(self, other)


class FanOut[T](Source[list[T]]):
    """A source with one value per instance: what ``parallel=`` gives.

    Invariant, as ``list`` is: a parameter that takes a fan-out of several classes is annotated
    ``Sequence[Base]``.
    """


class Picked[U](Source[U]):
    """``source.pick(projection)``."""

    def __init__(self, source: Source[Any], projection: Callable[[Any], U]) -> None:
        self.source = source
        self.projection = projection
        self.at = caller()

    @property
    def name(self) -> str:
        """``plan.pick``."""
        return f"{self.source.name}.pick"


class Either[U](Source[U]):
    """``first | second``."""

    def __init__(self, first: Source[Any], second: Source[Any]) -> None:
        self.first = first
        self.second = second
        self.at = caller()

    @property
    def name(self) -> str:
        """``quick | deep``."""
        return f"{self.first.name} | {self.second.name}"


class Settled[T](Source[Outcome[T]]):
    """``settled(source)``: its outcome, whatever it is."""

    def __init__(self, source: Source[T]) -> None:
        self.source = source
        self.at = caller()

    @property
    def name(self) -> str:
        """``settled(plan)``."""
        return f"settled({self.source.name})"


class FanSettled[T](FanOut[Outcome[T]]):
    """``settled(fan_out)``: the outcome of each instance."""

    def __init__(self, source: FanOut[T]) -> None:
        self.source = source
        self.at = caller()

    @property
    def name(self) -> str:
        """``settled(review)``."""
        return f"settled({self.source.name})"


class Session(Source[Agent]):
    """``plan.session``: the conversation in which an agent phase ended."""

    def __init__(self, source: Source[Any]) -> None:
        self.source = source
        self.at = caller()

    @property
    def name(self) -> str:
        """``plan.session``."""
        return f"{self.source.name}.session"


class FanSession(FanOut[Agent]):
    """``review.session``: the conversation of each instance of an agent fan-out."""

    def __init__(self, source: FanOut[Any]) -> None:
        self.source = source
        self.at = caller()

    @property
    def name(self) -> str:
        """``review.session``."""
        return f"{self.source.name}.session"


@dataclass(frozen=True, eq=False)
class Condition:
    """Whether a node runs: a predicate on a source, or several combined.

    Attributes:
        op: ``where`` is a leaf; ``and``, ``or``, ``not`` combine *parts*.
        at: File and line it was written at.
        source: A leaf's source.
        predicate: A leaf's predicate.
        parts: What is combined.
    """

    op: Literal["where", "and", "or", "not"]
    at: tuple[str, int]
    source: Source[Any] | None = None
    predicate: Callable[[Any], bool] | None = None
    parts: tuple[Condition, ...] = ()

    def __and__(self, other: Condition, /) -> Condition:
        """Both hold."""
        return Condition("and", caller(), parts=(self, other))

    def __or__(self, other: Condition, /) -> Condition:
        """One of the two holds."""
        return Condition("or", caller(), parts=(self, other))

    def __invert__(self) -> Condition:
        """It does not hold."""
        return Condition("not", caller(), parts=(self,))

    def __bool__(self) -> bool:  # not Never: mypy would leave what follows unchecked
        """Refuses: a condition is decided during the run.

        Raises:
            TypeError: Always; ``&``, ``|`` and ``~`` combine conditions.
        """
        raise TypeError("a condition is decided during the run: combine with &, | and ~")

    def __str__(self) -> str:
        """``plan.where(...)``, ``(a.where(...) & ~b.where(...))``."""
        if self.op == "where":
            return f"{self.source.name if self.source else '?'}.where(...)"
        if self.op == "not":
            return f"~{self.parts[0]}"
        return f"({f' {"&" if self.op == "and" else "|"} '.join(map(str, self.parts))})"
