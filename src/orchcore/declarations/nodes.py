"""Phases and steps: what ``@phase`` and ``@agent`` make of a function.

Phases are sources and cannot be called; steps are called by bodies and are not sources. So a
called phase, a wired step and a forgotten argument are type errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Concatenate, Literal, Self, cast

from orchcore.declarations.agent import Agent
from orchcore.declarations.body import current_body
from orchcore.declarations.location import caller, function_at
from orchcore.declarations.sources import FanOut, FanSession, Session, Source
from orchcore.errors import Location


@dataclass(frozen=True, slots=True)
class Spec:
    """What was written above and below ``def``.

    Attributes:
        fn: The undecorated function.
        role: Whether its first parameter is an ``Agent``.
        cli: The agent's name, an edge, or ``None``.
        parallel: Instances at once, an edge, or ``None`` outside a fan-out.
        options: The other options as written, unknown ones included.
        bound: Values and edges that ``.wired`` or ``.parallel`` gave for parameters.
        wired_at: File and line of that call.
        stray: Positional arguments that fit no parameter, for a clear error.
    """

    fn: Callable[..., Any]
    role: Literal["phase", "agent"]
    cli: object = None
    parallel: object = None
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    bound: Mapping[str, object] = field(default_factory=dict[str, object])
    wired_at: tuple[str, int] | None = None
    stray: str = ""

    def binding(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Spec:
        """The same with parameters bound, as the function's signature takes them."""
        try:
            signature = inspect.signature(self.fn)
            front: tuple[object, ...] = (None,) if self.role == "agent" else ()
            given = signature.bind_partial(*front, *args, **kwargs)
        except TypeError as error:
            return replace(self, stray=str(error), wired_at=caller())
        names = list(signature.parameters)[len(front) :]
        bound = {name: given.arguments[name] for name in names if name in given.arguments}
        return replace(self, bound={**self.bound, **bound}, wired_at=caller())


class Declared:
    """A decorated function."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.__doc__ = spec.fn.__doc__

    @property
    def name(self) -> str:
        """Its ``name=`` option, else the function's name."""
        given = self.spec.options.get("name")
        return given if isinstance(given, str) else getattr(self.spec.fn, "__name__", "phase")

    @cached_property
    def declared_at(self) -> Location:
        """The ``def`` line."""
        fn: object = self.spec.fn
        return fn.declared_at if isinstance(fn, Declared) else function_at(self.spec.fn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Node(Declared):
    """A declared function that is a node of the graph."""


class Callee(Declared):
    """A declared function that bodies call: a step."""


class _Plain[**P, R](Declared):
    @property
    def fn(self) -> Callable[P, Awaitable[R]]:
        """The undecorated function."""
        return self.spec.fn


class _WithAgent[**P, R](Declared):
    @property
    def fn(self) -> Callable[Concatenate[Agent, P], Awaitable[R]]:
        """The undecorated function."""
        return self.spec.fn


class Phase[**P, R](_Plain[P, R], Node, Source[R]):
    """A node without an agent."""

    def wired(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """The same phase as another node, wired as given; the rest stays as declared."""
        return type(self)(self.spec.binding(args, kwargs))


class FanPhase[**P, R](_Plain[P, R], Node, FanOut[R]):
    """A node without an agent that has instances."""

    def wired(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """The same phase as another node, wired as given; the rest stays as declared."""
        return type(self)(self.spec.binding(args, kwargs))


class AgentPhase[**P, R](_WithAgent[P, R], Node, Source[R]):
    """A node with an agent."""

    def wired(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """The same phase as another node, wired as given; the rest stays as declared."""
        return type(self)(self.spec.binding(args, kwargs))

    @property
    def session(self) -> Source[Agent]:
        """The conversation in which it ended."""
        return Session(self)


class AgentFanPhase[**P, R](_WithAgent[P, R], Node, FanOut[R]):
    """A node with an agent that has instances."""

    def wired(self, *args: P.args, **kwargs: P.kwargs) -> Self:
        """The same phase as another node, wired as given; the rest stays as declared."""
        return type(self)(self.spec.binding(args, kwargs))

    @property
    def session(self) -> FanOut[Agent]:
        """The conversations in which its instances ended."""
        return FanSession(self)


class Step[**P, R](_Plain[P, R], Callee):
    """What a body calls, with arguments. Wiring it makes a phase."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs it as a recorded sub-step of the calling node.

        Raises:
            OutsideRunError: No phase is running here; ``.fn`` is the plain function.
        """
        return cast("R", await current_body(self.name).step(self, args, kwargs))

    def wired(self, *args: P.args, **kwargs: P.kwargs) -> Phase[P, R]:
        """A phase that calls it once with these arguments."""
        return Phase(self.spec.binding(args, kwargs))

    def parallel(self, n: int, /, *args: P.args, **kwargs: P.kwargs) -> FanPhase[P, R]:
        """A fan-out that calls it once per instance, *n* at once."""
        return FanPhase(replace(self.spec.binding(args, kwargs), parallel=n))


class AgentStep[**P, R](_WithAgent[P, R], Callee):
    """What a body calls, with arguments, and what has an agent of its own."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs it as a recorded sub-step of the calling node, in a new conversation.

        Raises:
            OutsideRunError: No phase is running here; ``.fn`` is the plain function.
        """
        return cast("R", await current_body(self.name).step(self, args, kwargs))

    def wired(self, *args: P.args, **kwargs: P.kwargs) -> AgentPhase[P, R]:
        """A phase that calls it once with these arguments."""
        return AgentPhase(self.spec.binding(args, kwargs))

    def parallel(self, n: int, /, *args: P.args, **kwargs: P.kwargs) -> AgentFanPhase[P, R]:
        """A fan-out that calls it once per instance, *n* at once."""
        return AgentFanPhase(replace(self.spec.binding(args, kwargs), parallel=n))
