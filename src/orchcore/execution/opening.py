"""Resources: entered on first use and left in reverse order, each by one task that does both."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, cast

from orchcore.collection.reach import signature
from orchcore.declarations.body import BODY, RAISED
from orchcore.declarations.edges import Param, Use
from orchcore.declarations.location import line_at
from orchcore.declarations.resource import Resource
from orchcore.declarations.sources import Picked, Source
from orchcore.execution.endings import Got, Missing, Value
from orchcore.execution.patience import HURRIED_S, Patience
from orchcore.execution.shielding import cut_short
from orchcore.results import Failure

MOMENT_S = 0.1
SET_UP_S = 1800.0
"""So long a set-up may take; its node's own limit may end the wait before."""

IN_RESOURCE: ContextVar[bool] = ContextVar("orchcore_in_resource", default=False)
"""Whether the code of a resource runs here: a tear-down may still start commands."""


@dataclass(slots=True)
class _Open:
    """One resource that is being opened, is open, or is being closed."""

    resource: Resource[Any, Any]
    value: asyncio.Future[Got]
    leave: asyncio.Event
    owner: asyncio.Task[None]


class Opened:
    """The open resources of one scope: the run, or one attempt of an instance.

    Args:
        parameters: The run's parameters.
        outer: The run's resources, for an instance's; ``None`` for the run's own.
        warn: Told of tear-downs that failed or took too long.

    Attributes:
        patience: How long tear-downs may take; the same for all scopes of a run.
        unclosed: Of each that failed to close or took too long, what is said of it; the run's
            has those of its instances, too.
    """

    def __init__(
        self,
        parameters: Mapping[str, object],
        warn: Callable[[str], None],
        outer: "Opened | None" = None,
    ) -> None:
        self._parameters = parameters
        self._warn = warn
        self._outer = outer
        self._open: dict[Resource[Any, Any], _Open] = {}
        self._closed = False
        self.unclosed: list[str] = []
        self.patience: Patience = Patience() if outer is None else outer.patience

    def __bool__(self) -> bool:
        """Whether anything is open here."""
        return bool(self._open)

    async def value(self, resource: Resource[Any, Any]) -> Got:
        """The value of *resource*, opened now if it was not open yet."""
        if resource.scope == "run" and self._outer is not None:
            return await self._outer.value(resource)
        if self._closed:
            detail = f"resource '{resource.name}' was asked for after its time"
            return Missing("cancelled", detail, Failure("cancelled", detail))
        if resource not in self._open:
            self._open[resource] = self._start(resource)
        return await asyncio.shield(self._open[resource].value)

    async def source(self, source: Source[Any]) -> Got:
        """The value of a resource, or of what was picked from one."""
        if isinstance(source, Picked):
            return projected(source, await self.source(source.source))
        return await self.value(cast("Resource[Any, Any]", source))

    async def close(self) -> None:
        """Leaves every resource, the last opened first; shielded by the caller.

        What is still being opened is cancelled: only tear-downs have a right to their time.
        """
        self._closed = True
        for one in self._open.values():
            if not one.value.done():
                one.owner.cancel()
        for one in reversed(tuple(self._open.values())):
            one.leave.set()
            await self._left(one)
        self._open.clear()

    async def _left(self, one: _Open) -> None:
        began = time.monotonic()
        in_time = await self.patience.outlasts([one.owner])
        if not in_time:  # those after one that used all the time up have a moment of their own
            in_time = bool((await asyncio.wait([one.owner], timeout=MOMENT_S))[0])
        if not in_time:
            waited_s = time.monotonic() - began
            self._complain(f"resource '{one.resource.name}' did not close in {waited_s:.0f} s")
            one.owner.cancel()
            await asyncio.wait([one.owner], timeout=HURRIED_S)
        elif one.owner.cancelled() and _was_open(one):
            self._complain(f"resource '{one.resource.name}' was interrupted while it closed")

    def _start(self, resource: Resource[Any, Any]) -> _Open:
        loop = asyncio.get_running_loop()
        leave = asyncio.Event()
        value: asyncio.Future[Got] = loop.create_future()
        context = copy_context()
        context.run(IN_RESOURCE.set, True)
        if self._outer is None:
            context.run(BODY.set, None)  # the run's, whichever body was the first to need it
        owner = loop.create_task(
            self._own(resource, value, leave), name=f"resource-{resource.name}", context=context
        )
        limit = loop.call_later(SET_UP_S, _too_late, resource, value, owner)
        value.add_done_callback(lambda _: limit.cancel())
        return _Open(resource, value, leave, owner)

    async def _own(
        self, resource: Resource[Any, Any], value: asyncio.Future[Got], leave: asyncio.Event
    ) -> None:
        try:
            arguments = await self._arguments(resource)
            if isinstance(arguments, Missing):
                value.set_result(arguments)
                return
            async with resource.open(**arguments) as opened:
                if value.done():
                    return
                # in the order of opening: what it is made from was open before, and closes after
                self._open[resource] = self._open.pop(resource)
                value.set_result(Value(opened))
                await leave.wait()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and cut_short():
                raise
            self._failed(resource, value, error)
        finally:
            if not value.done():
                failure = Failure("cancelled", f"resource '{resource.name}' was not opened")
                value.set_result(Missing("cancelled", failure.detail, failure))

    def _failed(
        self, resource: Resource[Any, Any], value: asyncio.Future[Got], error: BaseException
    ) -> None:
        detail = f"{type(error).__name__}: {error}".rstrip(": ")
        if value.done():
            self._complain(f"resource '{resource.name}' failed to close: {detail}")
            return
        failure = Failure("error", f"resource '{resource.name}' failed to open: {detail}")
        value.set_result(Missing("failed", failure.detail, failure))

    def _complain(self, text: str) -> None:
        self._warn(text)
        (self if self._outer is None else self._outer).unclosed.append(text)

    async def _arguments(self, resource: Resource[Any, Any]) -> dict[str, object] | Missing:
        arguments: dict[str, object] = {}
        for name, parameter in signature(resource).items():
            edge: Any = parameter.default
            if isinstance(edge, Param):
                arguments[name] = self._parameters.get(edge.name or name)
            elif isinstance(edge, Use):
                found = await self.source(cast("Any", edge.source))
                if isinstance(found, Missing):
                    return found
                arguments[name] = found.value
        return arguments


def projected(source: Picked[Any], found: Got) -> Got:
    """What ``pick`` makes of *found*."""
    if isinstance(found, Missing):
        return found
    try:
        return Value(source.projection(found.value))
    except RAISED as error:
        detail = f"{source.name} raised {type(error).__name__}: {error}  {line_at(*source.at)}"
        return Missing("failed", detail, Failure("error", detail))


def _too_late(
    resource: Resource[Any, Any], value: asyncio.Future[Got], owner: asyncio.Task[None]
) -> None:
    detail = f"resource '{resource.name}' took longer than {SET_UP_S:g} s to open"
    value.set_result(Missing("failed", detail, Failure("timeout", detail)))
    owner.cancel()


def _was_open(one: _Open) -> bool:
    return one.value.done() and not isinstance(one.value.result(), Missing)
