"""A running body: what steps, commands and built-in resources see of their node."""

import asyncio
import random
import shlex
import time
from collections import Counter as Tally
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from orchcore.agents.commands import CommandRequest, run_command
from orchcore.collection.reach import own_parameters
from orchcore.declarations.body import RAISED, CommandLine, Node
from orchcore.declarations.edges import UNSET, Marker, Param
from orchcore.declarations.nodes import Callee
from orchcore.errors import OrchcoreError, Problem
from orchcore.events import SubStepEnded, SubStepStarted
from orchcore.execution.asking import Attempt
from orchcore.execution.attempt_failures import failure_of
from orchcore.execution.commanding import last_lines, program_name, unchecked
from orchcore.execution.endings import Missing
from orchcore.execution.halting import HaltError, lost
from orchcore.execution.handle import Conversation, Counter
from orchcore.execution.keys import Key, value_digest
from orchcore.execution.limits import Deadline, waiting, working
from orchcore.execution.lineage import left_by
from orchcore.execution.memory import SCOPE, Scope
from orchcore.execution.opening import IN_RESOURCE, Opened
from orchcore.execution.resolving import Cell
from orchcore.execution.retrying import next_try
from orchcore.execution.scene import Scene
from orchcore.execution.storing import stored
from orchcore.execution.substeps import (
    COMPLETED,
    command_digest,
    digest_or_nothing,
    kept_value,
    overlap,
    own_options,
    recorded,
)
from orchcore.execution.supervising import supervised
from orchcore.execution.turns import TurnDesk
from orchcore.journal.past import PastTurn
from orchcore.planning.fingerprint import fingerprint
from orchcore.planning.plan import NodeOptions
from orchcore.planning.wiring import is_resource_edge, wires
from orchcore.results import Completed, Failure, TurnFailed

_STEP: ContextVar[NodeOptions | None] = ContextVar("orchcore_step", default=None)
"""Options of the step that runs here; ``None`` in the body itself."""


class RunningBody:
    """Implements ``declarations.body.Body`` for one attempt of one instance.

    To be made in the task that supervises it: whether that is cancelled says whether somebody
    ended the body.

    Args:
        scene: The run.
        cell: The node or instance.
        attempt: Which attempt.
        opened: The attempt's resources.

    Attributes:
        agent: The name of its own agent, for steps that name none; ``None`` if it has none.
        over: Whether the attempt is over: nothing of it may start anything any more.
        interrupted: Whether it was, since it blocked the loop while the run was to end.
        error: What ``broken`` was told first.
    """

    def __init__(self, scene: Scene, cell: Cell, attempt: Attempt, opened: Opened) -> None:
        self._scene = scene
        self._options = cell.node.options
        self._key = cell.key
        self._attempt = attempt
        self._opened = opened
        self._paths: Tally[str] = Tally()
        self._owned: set[asyncio.Task[None]] = set()
        self._supervisor = cast("asyncio.Task[Any]", asyncio.current_task())
        self.agent: str | None = None
        self.over = self.interrupted = self._anew = False
        self.error: BaseException | None = None
        desk = TurnDesk(scene.office, attempt, self)
        self.counter = Counter(scene.office.book, desk, self.spawn)

    @property
    def node_id(self) -> str:
        """The running instance's id."""
        return self._attempt.node

    def facts(self) -> Node:
        """The running instance; makes its folder."""
        folders = self._scene.office.around.folders
        return Node(
            self._attempt.node,
            self._key,
            self._attempt.number,
            folders.id,
            folders.artifacts(self._attempt.node),
            self._attempt.spent.cost_usd,
            self._scene.office.treasury.left_usd(self._attempt.node.partition(":")[0]),
        )

    @property
    def cut(self) -> bool:
        """Whether it was told to end: by a limit, a failed sibling, or the end of the run."""
        stopped = self.interrupted or self._scene.control.stopped is not None
        return stopped or self._supervisor.cancelling() > 0

    def broken(self, error: BaseException) -> None:
        """Makes the attempt fail; if it is over, the run cannot pass any more."""
        if self.over:
            self._scene.control.disturb(f"{self._attempt.node}: {failure_of(error).detail}")
        elif self.error is None:
            self.error = error

    def warn(self, text: str) -> None:
        """Tells a person something about this node."""
        self._scene.office.journalist.warn(text, self._attempt.node)

    async def lost(self, edits: tuple[PastTurn, ...]) -> bool:
        """Whether what *edits* had changed is gone, and they are to be made anew.

        Raises:
            HaltError: It is gone, and nobody has decided what then.
        """
        why = None if self._anew else await lost(self._scene.office, edits)
        if why is not None:
            self.halt(why)
        return self._anew

    def outdated(self, at: float) -> bool:
        """Whether what began *at* that time saw edits that are others now.

        That is so if an agent edits anew, and one did before it whose turn is not wanted any more.
        """
        edits = self._scene.office.memory.past.edits if self._attempt.moved else ()
        mine = (turn for turn in edits if turn.begun.node == self.node_id and turn.over.at <= at)
        return any(turn.begun.key not in self._attempt.asked for turn in mine)

    def halt(self, why: str) -> None:
        """Goes on only if a person has said that it runs once more; then all its turns do.

        Raises:
            HaltError: Nobody has.
        """
        ruling = self._scene.office.around.rulings.get(self.node_id)
        if ruling is None or not ruling.rerun:
            error = HaltError(why)
            self.broken(error)
            raise error
        self._anew = True

    def ensure_going_on(self) -> None:
        """Nothing new starts once the run is to end, but what a tear-down needs.

        Raises:
            asyncio.CancelledError: It is.
        """
        stopped = self._scene.control.stopped is not None and not IN_RESOURCE.get()
        if stopped or self.over:
            raise asyncio.CancelledError("nothing new starts: the run, or its node, is ended")

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts a task that ``leave`` ends at the latest."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    @property
    def owns_tasks(self) -> bool:
        """Whether ``leave`` has anything to end."""
        return bool(self._owned)

    async def leave(self) -> None:
        """Ends the streams that the body left unread."""
        for task in self._owned:
            task.cancel()
        if self._owned:
            await asyncio.wait(self._owned)

    async def command(self, line: CommandLine) -> Completed:
        """Runs a program as a recorded sub-step."""
        self.ensure_going_on()
        around = self._scene.office.around
        request = CommandRequest(
            argv=line.argv,
            cwd=self._scene.office.book.folder(line.cwd),
            timeout_s=line.timeout_s,
            environ=around.environ,
            env=line.env,
        )
        key = SCOPE.get().key({"command": command_digest(line, self._scene.plan.folder)}).digest
        began = self._begin("command", program_name(line.argv), shlex.join(line.argv), key)
        known = None if line.rerun else self._known(key, request.cwd)
        if known is not None:
            await self._end(began, None, value=known.value, exit_code=known.exit_code, reused=True)
            return COMPLETED.validate_json(known.value or "")
        try:
            done = await self._in_slot(request)
        except BaseException as error:
            await self._end(began, failure_of(error))
            raise
        failure = unchecked(done) if line.check else None
        await self._end(began, failure, value=recorded(done), exit_code=done.exit_code)
        if failure is not None:
            self._attempt.spent.last_lines = last_lines(done)
            raise TurnFailed(failure)
        if done.truncated:
            text = f"{program_name(line.argv)} printed too much: its output was cut (truncated)"
            self._scene.office.journalist.warn(text, self._attempt.node)
        return done

    async def step(self, step: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        """Runs a step as a recorded sub-step."""
        self.ensure_going_on()
        options = self._scene.plan.steps.get(step) or own_options(step)
        filled = {**await self._defaults(step, args, kwargs), **kwargs}
        place, key = self._place(step, args, filled)
        began = self._begin("step", step.name, step.name, key)
        known = self._known(key, None)
        if known is not None and self.outdated(known.at - known.duration_s):
            known = None
        kept = None if known is None else kept_value(step, known, self._scene.plan.folder)
        edits = self._scene.office.memory.edits(key)
        again = await self.lost(edits)
        if known is not None and kept is not None and not again:
            self._attempt.asked.update(turn.begun.key for turn in edits)
            if edits:
                self._attempt.spent.leave(left_by(edits[-1]), edits[-1].over.at)
            await self._end(began, None, value=known.value, reused=True, digest=known.digest)
            return kept.value
        try:
            value = await self._retried(step, options, args, filled, place)
        except BaseException as error:
            await self._end(began, failure_of(error))
            raise
        digest = digest_or_nothing(value, self._scene.plan.folder)
        await self._end(began, None, value=stored(value, None), digest=digest)
        return value

    def _place(
        self, step: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[str, str]:
        """The scope of a step that is called like this, and the key of what it gives."""
        scope = SCOPE.get()
        folder = self._scene.plan.folder
        try:
            digest = value_digest([list(args), dict(kwargs)], folder)
            code = fingerprint(step.spec.fn, folder)
        except RAISED:  # nothing has a digest that the user's own objects do not allow
            return f"{scope.name}/{step.name}#{self._paths[step.name] + 1}", ""
        place = scope.key({"step": step.name, "args": digest}).digest
        return place, Key.of({"place": place, "code": code}).digest

    def _known(self, key: str, cwd: Path | None) -> SubStepEnded | None:
        """What the same step or command gave before; of a command, unless files have changed."""
        changed = (*self._attempt.moved, *self._scene.office.files.restored)
        if not key or any(overlap(cwd, moved) for moved in changed):
            return None
        known = self._scene.office.memory.step(key)
        return None if known is None or known.value is None else known

    async def _in_slot(self, request: CommandRequest) -> Completed:
        office = self._scene.office
        async with AsyncExitStack() as stack:
            with waiting():
                options = _STEP.get() or self._options
                await stack.enter_async_context(office.slots.taken(options.limits))
            self.ensure_going_on()
            with working():
                return await run_command(request, office.around.trees)

    async def _retried(
        self,
        step: Callee,
        options: NodeOptions,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        place: str,
    ) -> object:
        attempts = options.retries + 1
        rng = random.Random(self._attempt.node)  # noqa: S311  jitter, no secret
        number = 0
        while True:
            number += 1
            try:
                return await self._tried(step, options, args, kwargs, Scope(place))
            except TurnFailed as error:
                failure = error.failure
                wait = next_try(failure, number, attempts, time.time(), rng)
                if self.cut or wait is failure:
                    raise
                if isinstance(wait, Failure):
                    raise TurnFailed(wait, error.turn_folder) from error
            # no RetryScheduled: the node's attempt goes on
            text = f"step '{step.name}' failed ({failure}): attempt {number + 1} of {attempts}"
            self.warn(f"{text} in {wait:.3g} s")
            await self._scene.office.around.clock.sleep(wait)

    async def _tried(
        self,
        step: Callee,
        options: NodeOptions,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        scope: Scope,
    ) -> object:
        front: tuple[Any, ...] = ()
        if step.spec.role == "agent":
            front = (self._conversation(step, options),)
        token, place = _STEP.set(options), SCOPE.set(scope)
        try:
            call = step.spec.fn(*front, *args, **kwargs)
            return await (call if options.timeout_s is None else self._in_time(step, options, call))
        finally:
            _STEP.reset(token)
            SCOPE.reset(place)

    async def _in_time(
        self, step: Callee, options: NodeOptions, call: Coroutine[Any, Any, object]
    ) -> object:
        end = partial(self._scene.janitor.end, node=self._attempt.node)
        deadline = Deadline(options.timeout_s)
        try:
            async with deadline:
                value = await supervised(call, f"step {step.name}", end)
        except TimeoutError:
            if not deadline.expired:
                raise
        else:
            if not deadline.expired:
                return value
        failure = Failure("timeout", f"step '{step.name}' took {options.timeout_s:g} s")
        raise TurnFailed(failure)

    def _conversation(self, step: Callee, options: NodeOptions) -> Conversation:
        if any(isinstance(one, Marker) for one in (options.cli, options.model, options.cwd)):
            message = f"step '{step.name}' has an option that is an edge, so it cannot be called"
            hint = f"make a phase of it:   {step.name}.wired(...)"
            raise OrchcoreError(Problem("arguments", message, step.declared_at, (hint,)))
        book = self._scene.office.book
        asked = options.cli if isinstance(options.cli, str) else self.agent
        choice = book.choice(book.name_for(asked), options, options.model, options.cwd)
        return Conversation(self.counter, choice)

    async def _defaults(
        self, step: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, object]:
        """Parameters of *step* that were not given and default to a param or a resource."""
        filled: dict[str, object] = {}
        given = {*list(own_parameters(step))[: len(args)], *kwargs}
        for wire in wires(step):
            if wire.parameter not in given and isinstance(wire.edge, Marker):
                filled[wire.parameter] = await self._default(step, wire.parameter, wire.edge)
        return filled

    async def _default(self, step: Callee, parameter: str, edge: Marker) -> object:
        value: object = UNSET
        if isinstance(edge, Param):
            value = self._scene.plan.parameters.get(edge.name or parameter, edge.default)
        elif is_resource_edge(edge):
            found = await self._opened.source(cast("Any", edge).source)
            if isinstance(found, Missing):
                raise TurnFailed(found.failure)
            return found.value
        if value is not UNSET:
            return value
        hint = f"{step.name}(..., {parameter}=...)"
        message = f"step '{step.name}' is called without '{parameter}'"
        raise OrchcoreError(Problem("arguments", message, step.declared_at, (hint,)))

    def _begin(self, kind: Any, name: str, label: str, key: str) -> tuple[str, float]:
        self._paths[name] += 1
        path = f"{name}#{self._paths[name]}"
        at, attempt = time.time(), self._attempt
        started = SubStepStarted(at, attempt.node, attempt.number, path, kind, label[:500], key)
        self._scene.office.journalist.say(started)
        return path, time.monotonic()

    async def _end(self, began: tuple[str, float], failure: Failure | None, **told: Any) -> None:
        path, since = began
        ended = SubStepEnded(
            time.time(), self._attempt.node, self._attempt.number, path, time.monotonic() - since
        )
        ended = replace(ended, failure=failure, **told)
        if failure is None and not ended.reused:  # a body builds on it
            await self._scene.office.journalist.commit(ended)
        else:
            self._scene.office.journalist.say(ended)
