"""What a body calls while it runs: commands, several things at once, skipping."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from orchcore.errors import OrchcoreError, OutsideRunError, Problem
from orchcore.policies import Duration, duration_s
from orchcore.results import Completed, Failure, TurnFailed

RAISED = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit, BaseExceptionGroup)
"""What user code may raise and what must not end the run: everything but a cancellation."""


class Skip(Exception):  # noqa: N818  the language's word
    """Raised by a body: this node has nothing to do, and why.

    Example:
        >>> raise Skip("no Python files changed")
    """


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A program to run from a body.

    Attributes:
        argv: Program and arguments; no shell.
        cwd: Working directory, below the orchfile's folder if it is relative.
        timeout_s: Wall time; ``None``: no limit.
        check: Whether a non-zero exit raises.
        rerun: Whether a resumed run asks again.
        env: Extra variables.
    """

    argv: tuple[str, ...]
    cwd: Path
    timeout_s: float | None = None
    check: bool = False
    rerun: bool = False
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Node:
    """The running instance, as ``orchcore.resources.node`` gives it.

    Attributes:
        id: Instance id: ``review:codex``.
        key: Its label, or the node's id outside a fan-out.
        attempt: From 1.
        run: The run's id.
        artifacts: This instance's own folder, kept.
        spent_usd: What its turns have cost so far.
        budget_left_usd: What its turns may still cost, of all budgets; ``None`` without one.
    """

    id: str
    key: str
    attempt: int
    run: str
    artifacts: Path
    spent_usd: float = 0.0
    budget_left_usd: float | None = None


class Body(Protocol):
    """A running body, as execution sees it."""

    @property
    def node_id(self) -> str:
        """The running instance's id: cheap, asked with every print."""
        ...

    async def step(self, step: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        """Runs a step as a recorded sub-step."""
        ...

    async def command(self, line: CommandLine) -> Completed:
        """Runs a program as a recorded sub-step."""
        ...

    def facts(self) -> Node:
        """The running instance."""
        ...

    def broken(self, error: BaseException) -> None:
        """A task or a callback that the body started has raised what ends an event loop."""
        ...

    def warn(self, text: str) -> None:
        """Tells a person something about this node."""
        ...


BODY: ContextVar[Body | None] = ContextVar("orchcore_body", default=None)


def current_body(what: str) -> Body:
    """The body that runs here.

    Args:
        what: Who asks, for the error.

    Raises:
        OutsideRunError: There is none.
    """
    body = BODY.get()
    if body is None:
        hint = f"call it in the body of a phase that orchcore runs; in a test use {what}.fn(...)"
        raise OutsideRunError(
            Problem("outside-run", f"{what} was called outside a running phase", None, (hint,))
        )
    return body


async def command(
    *argv: str | os.PathLike[str],
    cwd: str | os.PathLike[str] | None = None,
    timeout: Duration | None = None,  # noqa: ASYNC109  the limit covers the whole process tree
    check: bool = False,
    rerun: bool = False,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Runs a program to its end, without a shell, as a recorded sub-step.

    Args:
        argv: Program and arguments.
        cwd: Its working directory; by default the orchfile's project folder.
        timeout: Wall time; the whole process tree is ended after it.
        check: Raise if it exits with anything but 0.
        rerun: Run it again when the run is resumed, whatever it printed before.
        env: Variables added to ours.

    Returns:
        Exit code, stdout, stderr and duration.

    Raises:
        TurnFailed: It could not be started, took too long or, with *check*, failed.
        OrchcoreError: It names no program.
        OutsideRunError: No phase is running here.

    Example:
        >>> tests = await command("pytest", "-q", timeout="5m")
        >>> tests.exit_code
        0
    """
    body = current_body("command")
    words = _words(argv)
    line = CommandLine(
        words,
        Path(os.fspath(cwd)) if cwd is not None else Path(),
        None if timeout is None else duration_s(timeout),
        check,
        rerun,
        env or {},
    )
    return await body.command(line)


def _words(argv: tuple[object, ...]) -> tuple[str, ...]:
    """Program and arguments as texts.

    Raises:
        OrchcoreError: There is no program, or something that is no text or path.
    """
    if not argv or argv[0] == "":
        hint = 'name it first:   await command("pytest", "-q")'
        raise OrchcoreError(Problem("arguments", "command() names no program", None, (hint,)))
    for part in argv:
        if isinstance(part, list | tuple):
            hint = "put a star before it:   await command(*words)"
        elif not isinstance(part, str | os.PathLike):
            hint = f'write a text:   await command(..., "{part}")'
        else:
            continue
        message = f"command() takes texts and paths, not {part!r}"
        raise OrchcoreError(Problem("arguments", message, None, (hint,)))
    return tuple(os.fspath(cast("str | os.PathLike[str]", part)) for part in argv)


async def gather[T](
    calls: Iterable[Awaitable[T]], /, *, limit: int | None = None, quorum: int | None = None
) -> list[T]:
    """Awaits several calls at once.

    Args:
        calls: What to await; a generator is drawn from only as far as *limit* allows.
        limit: How many run at once; ``None``: all.
        quorum: Enough successes; failures are then left out of the result. Without it the
            first failure cancels the others, awaits them, and is raised.

    Returns:
        The results in the order of *calls*.

    Raises:
        TurnFailed: Fewer than *quorum* succeeded (kind ``quorum``).
        Exception: Without *quorum*, whatever the first failing call raised.

    Example:
        >>> reviews = await gather((review(f) for f in files), limit=3)
    """
    if limit is not None and limit < 1:
        raise ValueError(f"gather(limit={limit}): at least one call must be allowed to run")
    drawn = iter(calls)
    waiting = _Waiting(enumerate(drawn), {})
    outcome = _Outcome[T](quorum is None)
    try:
        async with asyncio.TaskGroup() as group:
            if limit is None:
                outcome.start_all(group, waiting)
            else:
                for number in range(limit):
                    outcome.start(group, outcome.draw(waiting), f"gather-worker-{number}")
    finally:
        waiting.close(drawn)
    if outcome.stop_at_first and outcome.failed:
        raise outcome.failed[0]
    if quorum is not None and len(outcome.done) < quorum:
        raise _too_few(len(outcome.done), quorum, outcome.failed)
    return [outcome.done[index] for index in sorted(outcome.done)]


@dataclass(slots=True)
class _Waiting:
    """Calls nobody has awaited yet."""

    calls: Iterator[tuple[int, Awaitable[Any]]]
    taken: dict[int, Awaitable[Any]]

    def close(self, drawn: Iterator[Awaitable[Any]]) -> None:
        """Closes coroutines that will never run, so that none is reported as forgotten.

        A generator is closed and not drawn from any more: it may have no end.
        """
        left = list(self.taken.values())
        if isinstance(drawn, Generator):
            drawn.close()
        else:
            left.extend(call for _, call in self.calls)
        for call in left:
            if isinstance(call, Coroutine):
                call.close()


@dataclass(slots=True)
class _Outcome[T]:
    """What the calls of one ``gather`` came to.

    No task of it ever fails: a failed one of a ``TaskGroup`` cancels the task that waits for the
    group, and Python 3.12 may leave that marked as cancelled for good.
    """

    stop_at_first: bool
    done: dict[int, T] = field(default_factory=dict[int, T])
    failed: list[BaseException] = field(default_factory=list[BaseException])
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def start(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(group.create_task(work, name=name))

    def start_all(self, group: asyncio.TaskGroup, waiting: _Waiting) -> None:
        try:
            for index, call in waiting.calls:
                waiting.taken[index] = call
                self.start(group, self.settle(index, waiting), f"gather-{index}")
        except RAISED as error:
            self._broken(error)

    async def draw(self, waiting: _Waiting) -> None:
        try:
            for index, call in waiting.calls:
                waiting.taken[index] = call
                await self.settle(index, waiting)
                if self.stop_at_first and self.failed:
                    return
        except RAISED as error:
            self._broken(error)

    async def settle(self, index: int, waiting: _Waiting) -> None:
        try:
            self.done[index] = await waiting.taken.pop(index)
        except RAISED as error:
            self._failed(error)
        except asyncio.CancelledError as error:
            if cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                raise
            self._failed(error)  # its own doing: it was not told to end

    def _failed(self, error: BaseException) -> None:
        self.failed.append(error)
        if self.stop_at_first and len(self.failed) == 1:
            self._cancel()

    def _broken(self, error: BaseException) -> None:
        """The iterable itself has raised: that is not one failure among others."""
        self.failed.insert(0, error)
        self.stop_at_first = True
        self._cancel()

    def _cancel(self) -> None:
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()


def _too_few(succeeded: int, quorum: int, failed: list[BaseException]) -> TurnFailed:
    first = f"; first failure: {_told(failed[0])}" if failed else ""
    total = succeeded + len(failed)
    return TurnFailed(
        Failure("quorum", f"{succeeded} of {total} calls succeeded, {quorum} needed{first}")
    )


def _told(error: BaseException) -> str:
    """``ValueError: boom``; a failed turn tells its kind itself."""
    if isinstance(error, TurnFailed):
        return str(error)
    return f"{type(error).__name__}: {error}".rstrip(": ")
