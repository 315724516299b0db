"""Edges: typed defaults of parameters and options.

To the type checker ``use(plan)`` is a ``Plan``; at run time it is a ``Marker`` that planning
reads: the bargain of ``dataclasses.field()``. A marker that is used as a value raises at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeGuard, cast, overload

from orchcore.declarations.location import caller, line_at
from orchcore.declarations.sources import FanOut, FanSettled, Settled, Source
from orchcore.errors import MarkerUsedError, Problem
from orchcore.results import Outcome


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset()


class Items[T](Protocol):
    """A list, tuple, range, deque or a class of one's own; not str or set: they lack a part of it.

    A dict that has int keys fits, too, so what takes items refuses mappings by itself.
    """

    def __iter__(self) -> Iterator[T]: ...
    def __len__(self) -> int: ...
    def __contains__(self, value: object, /) -> bool: ...  # a str contains only str
    def __getitem__(self, index: int, /) -> T: ...


class NoItems:
    """What a type checker takes ``each`` of a mapping for; it fits no parameter."""


def are_items(value: object) -> TypeGuard[Items[object]]:
    """Whether *value* has items in an order, as ``Items`` says."""
    if isinstance(value, str | bytes | bytearray | Mapping | type):
        return False
    return all(hasattr(value, name) for name in ("__iter__", "__len__", "__getitem__"))


class Marker:
    """What an edge really is. Every use of it as a value is refused at once."""

    verb = "edge"

    def __init__(self) -> None:
        self.at = caller()

    def shown(self) -> str:
        """As the user wrote it, about: ``use(plan)``."""
        return f"{self.verb}(...)"

    def advice(self) -> str:
        """What to write instead of using the marker as a value."""
        return "take it as a parameter of the phase and use it in the body"

    def _misused(self, how: str) -> MarkerUsedError:
        return MarkerUsedError(
            Problem(
                "edge-used-as-value",
                f"{self.shown()} stands for a value that does not exist yet, so {how}",
                line_at(*caller()),
                (self.advice(),),
            )
        )

    def __bool__(self) -> bool:
        raise self._misused("it cannot be tested with `if`, `or`, `and`, `not`")

    def __format__(self, spec: str) -> str:
        raise self._misused("it cannot be put in a string")

    def __str__(self) -> str:
        raise self._misused("it cannot be made a string")

    def __repr__(self) -> str:
        return f"<{self.shown()}>"

    def __len__(self) -> int:
        raise self._misused("it has no length")

    def __iter__(self) -> Iterator[object]:
        raise self._misused("it cannot be iterated")

    def __int__(self) -> int:
        raise self._misused("it is no number here")

    __index__ = __float__ = __int__

    def __lt__(self, other: object) -> bool:
        raise self._misused("it cannot be compared here")

    __le__ = __gt__ = __ge__ = __contains__ = __lt__

    def __add__(self, other: object) -> object:
        raise self._misused("nothing can be computed from it here")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __mod__ = __add__

    def __getitem__(self, key: object) -> object:
        raise self._misused(f"it has no item {key!r} here")

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise self._misused(f"it has no attribute {name!r} here")


class _OfSource(Marker):
    def __init__(self, source: object) -> None:
        super().__init__()
        self.source = source

    def shown(self) -> str:
        return f"{self.verb}({_name(self.source)})"

    def advice(self) -> str:
        return f"derive a source instead: {self.verb}({_name(self.source)}.pick(lambda v: ...))"


class Use(_OfSource):
    """``use(source)``: its value."""

    verb = "use"


class Maybe(_OfSource):
    """``maybe(source)``: its value, or ``None`` where it gave none."""

    verb = "maybe"


class Each(_OfSource):
    """``each(items)``: one element, in one instance.

    Attributes:
        source: A source of a list, a fan-out, a literal list, or a ``Param`` of a list.
        label: Names an instance by its element.
        after: Labels of the instances that must have passed before this one starts.
    """

    verb = "each"

    def __init__(
        self,
        source: object,
        label: Callable[[Any], str] | None,
        after: Callable[[Any], Items[str]] | None,
    ) -> None:
        super().__init__(source)
        self.label = label
        self.after = after


class Param(Marker):
    """``param(default)``: an option of the run.

    Attributes:
        default: Its default; ``UNSET`` makes it required.
        name: Its name where the parameter's own is not meant, with ``_`` for ``-``.
        env: The variable that gives it where the command line does not.
        help: One line for ``--help``.
    """

    verb = "param"

    def __init__(self, default: object, name: str, env: str, help: str) -> None:  # noqa: A002
        super().__init__()
        self.default = default
        self.name = str(name).replace("-", "_")
        self.env = env
        self.help = help

    def shown(self) -> str:
        """``param(name)``."""
        return f"param({self.name or '...'})"


def _name(source: object) -> str:
    if isinstance(source, Marker):
        return source.shown()
    return source.name if isinstance(source, Source) else repr(source)[:40]


def use[T](source: Source[T], /) -> T:
    """The value of *source*; the node waits for it, and shares its skip or failure.

    Example:
        >>> @phase
        ... async def report(plan: Plan = use(plan)) -> str: ...
    """
    return cast("T", Use(source))


def maybe[T](source: Source[T], /) -> T | None:
    """The value of *source*, or ``None`` if it was skipped or failed.

    Example:
        >>> @phase
        ... async def report(threats: Threats | None = maybe(threat_model)) -> str: ...
    """
    return cast("T | None", Maybe(source))


@overload
def each[T](
    items: list[T],  # on its own: mypy then reads literals as the parameter's annotation says
    /,
    *,
    label: Callable[[T], str] | None = None,
    after: Callable[[T], Items[str]] | None = None,
) -> T: ...
@overload
def each(
    items: Source[Mapping[Any, Any]] | Mapping[Any, Any],
    /,
    *,
    label: Any = None,
    after: Any = None,
) -> NoItems: ...
@overload
def each[T](
    items: Source[Items[T]] | Items[T],
    /,
    *,
    label: Callable[[T], str] | None = None,
    after: Callable[[T], Items[str]] | None = None,
) -> T: ...
def each(items: Any, /, *, label: Any = None, after: Any = None) -> Any:
    """One element of *items* in each instance of a phase that has ``parallel=``.

    Args:
        items: A list, a source of a list, or a fan-out (then an instance starts as soon as its
            own element is ready).
        label: Names instances; by default the element itself if it is a str, int, Enum or
            Path, else its index.
        after: For an element, the labels of those that must have passed before it starts.

    Example:
        >>> @agent(parallel=4)
        ... async def fix(ai: Agent, task: Task = each(tasks, label=lambda t: t.id)) -> Patch: ...
    """
    return Each(items, label, after)


@overload
def param[T](default: T, /, *, name: str = ..., env: str = ..., help: str = ...) -> T: ...
@overload
def param(*, name: str = ..., env: str = ..., help: str = ...) -> Any: ...
def param(default: Any = UNSET, /, *, name: str = "", env: str = "", help: str = "") -> Any:  # noqa: A002
    """A typed option of the run: ``--name``.

    Args:
        default: Its default, and its type where the parameter has no annotation.
        name: The option's name; by default the parameter's, and in an option of a node that of
            node and option: ``--review-model``.
        env: A variable that gives it where the command line does not.
        help: One line for ``--help``.

    Example:
        >>> @phase
        ... async def greet(name: str = param("world", help="whom to greet")) -> str: ...
    """
    return Param(default, name, env, help)


@overload
def settled[T](source: FanOut[T], /) -> FanOut[Outcome[T]]: ...  # type: ignore[overload-overlap]
@overload
def settled[T](source: Source[T], /) -> Source[Outcome[T]]: ...
def settled(source: Any, /) -> Any:
    """The outcome of *source* (``Ok`` or ``Err``) instead of its value; never skipped or blocked.

    Example:
        >>> @phase
        ... async def tally(outcomes: list[Outcome[Review]] = use(settled(review))) -> int: ...
    """
    if isinstance(source, FanOut):
        return FanSettled[Any](cast("Any", source))
    return Settled[Any](source)
