"""``@phase`` and ``@agent``, and their steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Unpack, cast, get_args, overload

from orchcore.declarations.agent import Agent
from orchcore.declarations.location import caller, line_at
from orchcore.declarations.nodes import (
    AgentFanPhase,
    AgentPhase,
    AgentStep,
    Declared,
    FanPhase,
    Phase,
    Spec,
    Step,
)
from orchcore.declarations.options import (
    AgentFanOptions,
    AgentOptions,
    PhaseFanOptions,
    PhaseOptions,
)
from orchcore.errors import CollectionError, Problem
from orchcore.policies import Permission


class _Pending:
    """A decorator that knows its options and waits for its function."""

    def __init__(self, cli: object, options: dict[str, object]) -> None:
        self._cli = cli
        self._parallel = options.pop("parallel", None)
        self._options = options

    def _phase(self, fn: Callable[..., Any]) -> Spec:
        return Spec(fn, "phase", None, self._parallel, self._options)

    def _agent(self, fn: Callable[..., Any]) -> Spec:
        return Spec(fn, "agent", self._cli, self._parallel, self._options)


class _OnePhase(_Pending):
    def __call__[**P, R](self, fn: Callable[P, Awaitable[R]], /) -> Phase[P, R]:
        return Phase(self._phase(fn))


class _ManyPhases(_Pending):
    def __call__[**P, R](self, fn: Callable[P, Awaitable[R]], /) -> FanPhase[P, R]:
        return FanPhase(self._phase(fn))


class _OneStep(_Pending):
    def __call__[**P, R](self, fn: Callable[P, Awaitable[R]], /) -> Step[P, R]:
        return Step(self._phase(fn))


class _OneAgent(_Pending):
    def __call__[**P, R](
        self, fn: Callable[Concatenate[Agent, P], Awaitable[R]], /
    ) -> AgentPhase[P, R]:
        return AgentPhase(self._agent(fn))


class _ManyAgents(_Pending):
    def __call__[**P, R](
        self, fn: Callable[Concatenate[Agent, P], Awaitable[R]], /
    ) -> AgentFanPhase[P, R]:
        return AgentFanPhase(self._agent(fn))


class _OneAgentStep(_Pending):
    def __call__[**P, R](
        self, fn: Callable[Concatenate[Agent, P], Awaitable[R]], /
    ) -> AgentStep[P, R]:
        return AgentStep(self._agent(fn))


def _function(args: tuple[Any, ...], what: str, named: int = 0) -> Callable[..., Any] | None:
    """The function that is decorated without options.

    Args:
        args: Positional arguments of *what*.
        what: ``@agent``, for the error.
        named: How many may stand there besides a function.

    Raises:
        CollectionError: There are more.
    """
    first = args[0] if args else None
    # what is declared already counts as one: planning then says so
    fn = first if callable(first) or isinstance(cast("object", first), Declared) else None
    if surplus := args[named if fn is None else 1 :]:
        told = ", ".join(map(repr, surplus))
        is_permission = surplus[0] in get_args(Permission.__value__)
        option = f"permission={surplus[0]!r}" if is_permission else 'timeout="5m"'
        takes = "the agent's name" if named else "nothing"
        message = f"{what} takes {takes} without a keyword, so not {told}"
        hint = f"name the option:   {what}({', '.join([*map(repr, args[:named]), option])})"
        raise CollectionError(Problem("arguments", message, line_at(*caller()), (hint,)))
    return fn


class PhaseDecorator:
    """``@phase``: a node without an agent; ``@phase.step``: a step without an agent.

    Example:
        >>> @phase(timeout="5m")
        ... async def verdict(reviews: list[Review] = use(review)) -> Verdict: ...
    """

    @overload
    def __call__[**P, R](self, fn: Callable[P, Awaitable[R]], /) -> Phase[P, R]: ...
    @overload
    def __call__(self, *, parallel: int, **options: Unpack[PhaseFanOptions]) -> _ManyPhases: ...
    @overload
    def __call__(self, **options: Unpack[PhaseOptions]) -> _OnePhase: ...
    def __call__(self, *args: Any, **options: Any) -> Any:
        """Makes a node of a function, or a decorator of options."""
        if (fn := _function(args, "@phase")) is not None:
            return _OnePhase(None, {})(fn)
        return _ManyPhases(None, options) if "parallel" in options else _OnePhase(None, options)

    @overload
    def step[**P, R](self, fn: Callable[P, Awaitable[R]], /) -> Step[P, R]: ...
    @overload
    def step(self, **options: Unpack[PhaseOptions]) -> _OneStep: ...
    def step(self, *args: Any, **options: Any) -> Any:
        """Makes a step of a function: called by bodies, not a node."""
        fn = _function(args, "@phase.step")
        return _OneStep(None, options) if fn is None else _OneStep(None, {})(fn)


class AgentDecorator:
    """``@agent``: a node with an agent; ``@agent.step``: a step with an agent.

    Example:
        >>> @agent("claude", permission="edit", timeout="30m")
        ... async def implement(ai: Agent, plan: Plan = use(plan)) -> Patch: ...
    """

    @overload
    def __call__[**P, R](
        self, fn: Callable[Concatenate[Agent, P], Awaitable[R]], /
    ) -> AgentPhase[P, R]: ...
    @overload
    def __call__(
        self, cli: str = ..., /, *, parallel: int, **options: Unpack[AgentFanOptions]
    ) -> _ManyAgents: ...
    @overload
    def __call__(self, cli: str = ..., /, **options: Unpack[AgentOptions]) -> _OneAgent: ...
    def __call__(self, *args: Any, **options: Any) -> Any:
        """Makes a node of a function, or a decorator of an agent's name and options."""
        if (fn := _function(args, "@agent", 1)) is not None:
            return _OneAgent(None, {})(fn)
        cli = args[0] if args else None
        return _ManyAgents(cli, options) if "parallel" in options else _OneAgent(cli, options)

    @overload
    def step[**P, R](
        self, fn: Callable[Concatenate[Agent, P], Awaitable[R]], /
    ) -> AgentStep[P, R]: ...
    @overload
    def step(self, cli: str = ..., /, **options: Unpack[AgentOptions]) -> _OneAgentStep: ...
    def step(self, *args: Any, **options: Any) -> Any:
        """Makes a step of a function that has an agent: called by bodies, not a node."""
        if (fn := _function(args, "@agent.step", 1)) is not None:
            return _OneAgentStep(None, {})(fn)
        return _OneAgentStep(args[0] if args else None, options)


phase = PhaseDecorator()
agent = AgentDecorator()
