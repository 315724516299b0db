"""One instance of a phase: its attempts, time-outs, retries, and what its body came to."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import cast

from orchcore.declarations.body import BODY
from orchcore.declarations.nodes import Node
from orchcore.errors import OrchcoreError
from orchcore.events import AttemptStarted, Queued, RetryScheduled
from orchcore.execution.abilities import FORK, RESUME
from orchcore.execution.asking import Attempt, Resumed
from orchcore.execution.attempt_failures import failure_of, frames_of, skip_in
from orchcore.execution.bodies import RunningBody
from orchcore.execution.control import Interrupted
from orchcore.execution.endings import Ending, Missing
from orchcore.execution.halting import HaltError, Halting
from orchcore.execution.handle import Conversation
from orchcore.execution.keys import text_digest
from orchcore.execution.limits import Deadline
from orchcore.execution.memory import SCOPE, Scope
from orchcore.execution.opening import Opened
from orchcore.execution.resolving import Cell
from orchcore.execution.retrying import next_try
from orchcore.execution.scene import Scene
from orchcore.execution.shielding import cut_short, finished
from orchcore.execution.storing import brief, stored
from orchcore.execution.supervising import supervised
from orchcore.planning.drafting import CONVERSATION
from orchcore.results import Failure, SessionRef

OPTIONS = ("cli", "model", "cwd")
"""Options that may be edges; as inputs they have names that no parameter can have."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one attempt runs with.

    Attributes:
        values: Of its parameters, by name.
        cli, model, cwd: Resolved options; ``None`` where nothing was said.
    """

    values: Mapping[str, object]
    cli: object = None
    model: object = None
    cwd: object = None

    @classmethod
    def of(cls, values: Mapping[str, object]) -> "Inputs":
        """Parameters and resolved options, told apart."""
        parameters = dict(values)
        return cls(parameters, *(parameters.pop(option_input(name), None) for name in OPTIONS))


def option_input(name: str) -> str:
    """The name under which an option's value is an input."""
    return f"\0{name}"


@dataclass(frozen=True, slots=True)
class Revision:
    """What a person wants of a phase that is done.

    Attributes:
        comment: In their words.
        session: Its conversation, which goes on.
    """

    comment: str
    session: SessionRef


type Late = Callable[[Opened], Awaitable[dict[str, object] | Missing]]
"""Resolves what is opened on first use: resources."""


class Attempts:
    """Runs one instance until it passes, or may not be tried again.

    Args:
        scene: The run, as bodies see it.
        cell: The node or instance.
        late: Opens resources; its own ones anew for each attempt.
        revision: Why it runs once more; ``None``: it does not.
    """

    def __init__(
        self, scene: Scene, cell: Cell, late: Late, revision: Revision | None = None
    ) -> None:
        self._scene = scene
        self._cell = cell
        self._node = cell.node
        self._id = cell.id
        self._late = late
        self._revision = revision
        self._spent = cell.spent
        self._retold = 0
        self._place = cell.identity
        self._halting = Halting(scene.office, cell)

    async def run(self, values: Mapping[str, object]) -> Ending:
        """How the instance ended, or did in an earlier process; a cancellation is raised.

        Args:
            values: Of its parameters and of options that are edges, without resources.
        """
        again = self._revision
        about = "" if again is None else f"{again.session.chain} {again.comment}"
        key = self._scene.reuse.key(self._cell, values, about)
        self._place = self._cell.identity + (f" {text_digest(about)}" if about else "")
        if left := self._scene.reuse.lineage.before(self._cell):
            self._place += f" {left}"
        kept = self._scene.reuse.found(self._cell, key)
        if kept is not None:
            ending = await self._halting.kept(kept)
        else:
            kept = None if again else self._scene.reuse.cached(self._cell, key)
            ending = kept or self._halting.unfinished()
        if ending is not None and ending is kept:
            return ending
        return self._scene.reuse.told(self._cell, key, ending or await self._tried(values))

    async def _tried(self, values: Mapping[str, object]) -> Ending:
        began = time.monotonic()
        attempts = self._allowed
        self._cell.began = began
        journalist = self._scene.office.journalist
        rng = random.Random(self._id)  # noqa: S311  jitter, no secret
        number = 0
        while True:
            number += 1
            await self._begin(number)
            ending = replace(await self._attempt(number, values), attempt=number)
            failure = ending.failure
            if ending.state != "failed" or failure is None or self._cut():
                break
            now = time.time()
            wait = next_try(failure, number, attempts, now, rng)
            if isinstance(wait, Failure):
                ending = replace(ending, reason=_reason(ending, wait), failure=wait)
                break
            if failure.kind not in self._spent.kinds | {"timeout"}:
                self._retold += 1  # the body's own verdict: what it was told was not good enough
            journalist.say(RetryScheduled(now, self._id, number, attempts, wait, failure))
            await self._scene.office.around.clock.sleep(wait)
        lasted_s = time.monotonic() - began - self._cell.waited_s
        return replace(ending, duration_s=lasted_s, spent=self._spent)

    async def _begin(self, number: int) -> None:
        started = AttemptStarted(time.time(), self._id, number, self._cell.identity)
        self._cell.attempt = number
        if self._node.options.halts:  # it must be known that it was begun, whatever happens
            await self._scene.office.journalist.commit(started)
        else:
            self._scene.office.journalist.say(started)

    @property
    def _allowed(self) -> int:
        """How many attempts there may be: a person's decision is for one."""
        return 1 if self._halting.ruling else self._node.options.retries + 1

    def _cut(self) -> bool:
        """Whether no further attempt may begin."""
        return self._scene.control.stopped is not None or cut_short()

    async def _attempt(self, number: int, values: Mapping[str, object]) -> Ending:
        opened = Opened(self._scene.plan.parameters, self._warn, self._scene.opened)
        attempt = Attempt(self._id, number, self._spent)
        body = RunningBody(self._scene, self._cell, attempt, opened)
        token = BODY.set(body)
        place = SCOPE.set(Scope(f"{self._place}#{self._retold}"))
        try:
            return await self._in_time(body, opened, values)
        finally:
            try:
                if body.owns_tasks or opened:
                    await _leave(body, opened)
            finally:
                BODY.reset(token)
                SCOPE.reset(place)
                body.over = True
                self._scene.janitor.body_ended(body, self._id)

    async def _in_time(
        self, body: RunningBody, opened: Opened, values: Mapping[str, object]
    ) -> Ending:
        """How the attempt ends within its limit, which covers the set-up of resources, too."""
        limit_s = self._node.options.timeout_s
        deadline = Deadline(limit_s, self._queued)
        ending: Ending | None = None
        try:
            async with deadline:
                opens = await self._late(opened)
                if isinstance(opens, Missing):
                    return opens.ending()
                ending = await self._with_inputs(body, Inputs.of({**values, **opens}))
        except TimeoutError:
            if not deadline.expired:
                raise
        finally:
            self._cell.waited_s += deadline.waited_s
        # a body that swallows its cancellation, or blocks the loop meanwhile, gives its value late
        late = deadline.expired and ending is not None and ending.state in ("passed", "skipped")
        if ending is not None and not late:
            return ending
        failure = Failure("timeout", f"took longer than {limit_s:g} s (timeout={limit_s:g})")
        return Ending("failed", reason=str(failure), failure=failure)

    async def _with_inputs(self, body: RunningBody, inputs: Inputs) -> Ending:
        conversation: Conversation | None = None
        try:
            values = {
                name: self._handed(body, value, inputs) for name, value in inputs.values.items()
            }
            if self._node.role == "agent":
                handed = cast("Conversation | None", values.pop(CONVERSATION, None))
                conversation = self._revised(body, inputs) or handed
                conversation = conversation or self._conversation(body, inputs)
        except OrchcoreError as error:
            return _failed(error)
        work = self._outcome(body, conversation, values)
        end = partial(self._scene.janitor.end, node=self._id)
        try:
            ending = await supervised(work, f"body of {self._id}", end)
        except asyncio.CancelledError as error:
            if body.cut:
                raise
            return _cancelled_itself(error)
        if isinstance(body.error, HaltError):
            return self._halting.paused(str(body.error))
        if body.error is not None and ending.state in ("passed", "skipped"):
            return _failed(body.error)
        return ending

    async def _outcome(
        self, body: RunningBody, conversation: Conversation | None, values: Mapping[str, object]
    ) -> Ending:
        """What the body comes to, in the body's own task."""
        try:
            value = await self._call(conversation, values)
        except asyncio.CancelledError as error:
            body.interrupted |= isinstance(error, Interrupted)
            if body.cut:
                raise
            return _cancelled_itself(error)
        except BaseException as error:  # noqa: BLE001  user code may raise anything
            skip = skip_in(error)
            return _failed(error) if skip is None else Ending("skipped", reason=skip)
        return self._passed(value, conversation)

    def _queued(self, waits: bool) -> None:
        self._scene.office.journalist.say(Queued(time.time(), self._id, waits))

    async def _call(
        self, conversation: Conversation | None, values: Mapping[str, object]
    ) -> object:
        given = dict(values)
        front: list[object] = [] if conversation is None else [conversation]
        front += [given.pop(w.parameter) for w in self._node.wires if w.positional]
        return await cast("Node", self._node.declared).spec.fn(*front, **given)

    def _passed(self, value: object, conversation: Conversation | None) -> Ending:
        if isinstance(value, Path) and not _exists(self._scene.plan.folder / value):
            failure = Failure("error", f"gave a path that does not exist: {value}")
            return Ending("failed", reason=str(failure), failure=failure)
        if isawaitable(value):
            return _forgotten(value)
        session = conversation.ref if conversation is not None else None
        return Ending(
            "passed",
            value,
            session=session,
            stored=stored(value, self._node.returns),
            brief=brief(value),
        )

    def _revised(self, body: RunningBody, inputs: Inputs) -> Conversation | None:
        """The conversation in which a person wants something revised."""
        if self._revision is None:
            return None
        ref, book = self._revision.session, self._scene.office.book
        choice = book.choice(ref.agent, self._node.options, inputs.model or ref.model, inputs.cwd)
        body.agent = choice.name
        resumed = Resumed(ref.session_id or "", False, ref.cwd, ref.spent, ref.chain)
        return Conversation(body.counter, choice, resumed, self._revision.comment)

    def _conversation(self, body: RunningBody, inputs: Inputs) -> Conversation:
        book = self._scene.office.book
        name = book.name_for(inputs.cli)
        choice = book.choice(name, self._node.options, inputs.model, inputs.cwd)
        body.agent = choice.name
        return Conversation(body.counter, choice)

    def _handed(self, body: RunningBody, value: object, inputs: Inputs) -> object:
        """*value*, or the conversation that it stands for.

        A retry starts from where its source ended: such conversations are forked.
        """
        if isinstance(value, list):
            items = cast("list[object]", value)
            talks = any(isinstance(item, SessionRef) for item in items)
            return [self._handed(body, item, inputs) for item in items] if talks else items
        if not isinstance(value, SessionRef):
            return value
        book = self._scene.office.book
        model = inputs.model if inputs.model is not None else value.model
        book.ensure(value.agent, (FORK if self._node.forks else RESUME,))
        choice = book.choice(value.agent, self._node.options, model, inputs.cwd)
        session_id = value.session_id
        resumed = (
            None
            if session_id is None
            else Resumed(session_id, self._node.forks, value.cwd, value.spent, value.chain)
        )
        return Conversation(body.counter, choice, resumed)

    def _warn(self, text: str) -> None:
        self._scene.office.journalist.warn(text, self._id)


async def _leave(body: RunningBody, opened: Opened) -> None:
    """Ends what the body left and closes its resources, also through a cancellation."""

    async def both() -> None:
        await body.leave()
        await opened.close()

    closing = asyncio.get_running_loop().create_task(both(), name="tear-down")
    cancelled = await finished(closing)
    closing.result()
    if cancelled is not None:
        raise cancelled


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def _reason(ending: Ending, final: Failure) -> str:
    return ending.reason if final is ending.failure else str(final)


def _forgotten(value: Awaitable[object]) -> Ending:
    """Of a body that gave a call instead of what the call gives."""
    kind = type(value).__name__
    if isinstance(value, Coroutine):
        value.close()  # nobody will await it: Python need not complain, too
    failure = Failure("error", f"gave a {kind}: did you forget `await`?")
    return Ending("failed", reason=str(failure), failure=failure)


def _cancelled_itself(error: asyncio.CancelledError) -> Ending:
    detail = "CancelledError: the body was cancelled by its own code"
    return replace(_failed(error), reason=detail, failure=Failure("error", detail))


def _failed(error: BaseException) -> Ending:
    failure = failure_of(error)
    return Ending("failed", reason=str(failure), failure=failure, trace=frames_of(error))
