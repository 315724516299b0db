"""``@resource``: something that is opened before use and closed after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from typing import Any, Literal, cast, overload

from orchcore.declarations.location import function_at
from orchcore.declarations.sources import Source
from orchcore.errors import Location

type Scope = Literal["run", "instance"]


class Resource[**P, T](Source[T]):
    """An async generator function that yields one value.

    Attributes:
        generator: The undecorated function.
        scope: Opened once per run, or once per instance that uses it.
        options: Unknown options as written, for a clear error.
    """

    def __init__(
        self,
        generator: Callable[P, AsyncIterator[T]],
        scope: str = "run",
        options: dict[str, object] | None = None,
    ) -> None:
        self.generator = generator
        self.scope = scope
        self.options = options or {}
        self.__doc__ = generator.__doc__

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.generator, "__name__", "resource")

    @cached_property
    def declared_at(self) -> Location:
        """The ``def`` line."""
        return function_at(self.generator)

    def open(self, *args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        """The same as a context manager, for bodies and tests.

        Example:
            >>> async with database.open("sqlite://") as db: ...
        """
        # an async generator function, whatever its annotation says
        generator = cast("Callable[P, AsyncGenerator[T]]", self.generator)
        return asynccontextmanager(generator)(*args, **kwargs)


class _Scoped:
    def __init__(self, scope: str, options: dict[str, object]) -> None:
        self._scope = scope
        self._options = options

    def __call__[**P, T](self, generator: Callable[P, AsyncIterator[T]], /) -> Resource[P, T]:
        return Resource(generator, self._scope, self._options)


@overload
def resource[**P, T](generator: Callable[P, AsyncIterator[T]], /) -> Resource[P, T]: ...
@overload
def resource(*, scope: Scope) -> _Scoped: ...
def resource(generator: Any = None, /, *, scope: str = "run", **options: object) -> Any:
    """Makes a resource of an async generator function.

    It is entered on first use, and left when the run (or the instance) is over, in reverse
    order, by one task that does both. Its parameters take params and other resources only.

    Args:
        generator: The function.
        scope: ``"run"`` (default) or ``"instance"``.
        options: There are no others; they are reported with the orchfile's other problems.

    Example:
        >>> @resource
        ... async def database(url: str = param("sqlite://")) -> AsyncIterator[Database]:
        ...     async with connect(url) as db:
        ...         yield db
    """
    scoped = _Scoped(scope, options)
    return scoped if generator is None else scoped(generator)
