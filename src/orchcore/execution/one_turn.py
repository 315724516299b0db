"""One turn that is run: slots and money, folder, events, record."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from orchcore.agents.invocation import Invocation
from orchcore.agents.pricing import priced
from orchcore.events import (
    AgentEvent,
    AgentStalled,
    LimitAwaited,
    SessionStarted,
    TurnEnded,
    TurnStarted,
    UsageReported,
)
from orchcore.execution.accounts import is_answer, lifted
from orchcore.execution.asking import Attempt, Office, Order, Told, invocation_of
from orchcore.execution.budget import Claim, Held
from orchcore.execution.caching import asked_as
from orchcore.execution.governor import Governor, Pass
from orchcore.execution.limits import waiting, working
from orchcore.execution.lineage import left_by
from orchcore.execution.listening import LAST_LINES, Listening
from orchcore.execution.shielding import finished
from orchcore.execution.standing_in import closed_s, governor_of, scope_of
from orchcore.journal.past import PastTurn
from orchcore.results import Failure, FailureKind, FileState, Turn, TurnResult, Usage

PAUSED_LOOK_S = 0.2


@dataclass(slots=True)
class OneTurn:
    """Runs one order of one attempt.

    Attributes:
        office: What all turns share.
        attempt: Whose it is.
        order: What is wanted.
        last: The last lines that agents of the attempt said, continued here.
        ensure_going_on: Raises ``CancelledError`` once no turn may begin any more.
        may_wait_s: So long it may wait while its account is closed.
        waited_s: How long it did.
    """

    office: Office
    attempt: Attempt
    order: Order
    last: list[str]
    ensure_going_on: Callable[[], None]
    may_wait_s: float = float("inf")
    waited_s: float = 0.0
    _over: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))
    _failure: Failure | None = None
    _entered: Pass | None = None
    _told_until: float | None = None
    _waits_since: float | None = None

    async def run(self) -> Told:
        """What it came to; its own failure is in the result, not raised."""
        scope = scope_of(self.office, self.order.choice)
        while True:
            try:
                with waiting():
                    await self._until_continued()
                    entered = await self._governor.enter(scope, self._tell_wait)
                self._has_waited()
            except _ClosedError as error:
                failure = Failure("rate_limited", "its account is closed", error.left_s)
                return self._not_begun(failure)
            well = False
            try:
                told = await self._admitted(entered)
                well = told is not None and is_answer(told.result.failure)
            finally:
                self._governor.leave(entered, well=well)
            if told is not None:
                return told

    async def _until_continued(self) -> None:
        """Waits while the run is paused from outside."""
        mark, told = self.office.around.folders.pause_mark, False
        while mark.exists():
            self.ensure_going_on()
            if not told:
                told = True
                run = self.office.around.folders.id
                text = f"paused: no turn starts until   orchcore continue {run}"
                self.office.journalist.warn(text, self.attempt.node)
            await self.office.around.clock.sleep(PAUSED_LOOK_S)

    @property
    def closed_s(self) -> float:
        """For how many seconds its account is closed now."""
        return closed_s(self.office, self.order.choice)

    def give_up(self) -> None:
        """It would have to wait for too long."""
        self._governor.gave_up = True

    @property
    def _governor(self) -> Governor:
        return governor_of(self.office, self.order.choice)

    def _has_waited(self) -> None:
        """It may go on: what it waits for from now on is no limit."""
        if self._waits_since is not None:
            self.waited_s = self.office.around.clock.boot() - self._waits_since
            self._waits_since = None

    def _tell_wait(self, seconds: float) -> None:
        clock = self.office.around.clock
        if self._waits_since is None:
            self._waits_since = clock.boot() - self.waited_s
        self.waited_s = clock.boot() - self._waits_since
        if self.waited_s + seconds > self.may_wait_s:
            raise _ClosedError(seconds)
        self.waited_s += seconds
        until = clock.unix() + seconds
        if self._told_until is None or abs(until - self._told_until) > 1:
            self._told_until = until
            told = (self.attempt.node, self.order.choice.name, until)
            self.office.journalist.say(LimitAwaited(clock.unix(), *told))

    async def _admitted(self, entered: Pass) -> Told | None:
        """What it came to; ``None`` if the account was closed while it waited for a slot."""
        choice, office = self.order.choice, self.office
        async with AsyncExitStack() as stack:
            with waiting():
                slots = office.slots.taken(
                    choice.slots, choice.account, choice.settings.max_parallel
                )
                await stack.enter_async_context(slots)
                if choice.adapter.capabilities.starts_alone:
                    await office.accounts.let_first_begin(choice.account)
                if not choice.adapter.capabilities.simulated:
                    await stack.enter_async_context(office.machine.place())
                held = await office.treasury.hold(self._claim())
            if isinstance(held, Failure):
                self.attempt.spent.kinds.add(held.kind)
                return self._not_begun(held)
            self._entered = entered
            try:
                self.ensure_going_on()
                if self.closed_s > 0:
                    return None
                with working():
                    return await self._in_slot(held)
            finally:
                await office.treasury.let_go(held)

    async def end(
        self,
        begun: TurnStarted,
        result: TurnResult,
        began: float,
        held: Held | None = None,
        *,
        salvaged: bool = False,
    ) -> Told:
        """Records the end of the turn and gives it to who asked."""
        order, attempt = self.order, self.attempt
        simulated = order.choice.adapter.capabilities.simulated
        answer: str | None = None
        if result.failure is None:
            result, answer = order.asked.read(result)
        booked_usd, answered = None, is_answer(result.failure)
        if held is None:
            await self.office.treasury.book(self._claim(), result.cost_usd)
        else:
            told = (held, result.cost_usd)
            booked_usd = await self.office.treasury.settle(*told, answered=answered)
        self._book(result, simulated=simulated)
        for warning in result.warnings:
            self.office.journalist.warn(warning, attempt.node)
        over = TurnEnded(
            time.time(),
            attempt.node,
            attempt.number,
            begun.turn,
            time.monotonic() - began,
            result.text,
            answer,
            result.session_id,
            result.usage,
            result.cost_usd,
            result.failure,
            result.exit_code,
            simulated,
            result.warnings,
            salvaged,
            booked_usd,
            await self._files() if answered else None,
        )
        await self.office.journalist.commit(over)
        self.office.memory.keep(begun, over)
        self.office.files.saw(over.files)
        if answered and begun.permission != "read-only":
            attempt.spent.leave(left_by(PastTurn(begun, over)), over.at)
            self.office.files.add(PastTurn(begun, over))
        turn = turn_of(result, Path(begun.folder), simulated=simulated)
        return Told(result, turn, begun.key, order.choice)

    async def _in_slot(self, held: Held) -> Told:
        order, choice, office, attempt = self.order, self.order.choice, self.office, self.attempt
        folders = office.around.folders
        folder = folders.turn_folder(attempt.node, attempt.number, order.number)
        invocation = invocation_of(choice, order.asked, folder, folders.sessions)
        now = await self._files()
        office.files.saw(now)
        before = office.memory.before(order.key, now)
        started = self._started(invocation, before)
        self._begin(folder, held)
        began = time.monotonic()
        try:
            # durable before the launch: else nobody knew of it after a crash
            await office.journalist.commit(started)
            result = await self._result(invocation, held)
        except asyncio.CancelledError:
            # what it used is not known: a turn without a price, but a simulated one is free
            simulated = choice.adapter.capabilities.simulated
            self._book(TurnResult(cost_usd=0.0 if simulated else None), simulated=simulated)
            office.journalist.say(self._cut(held, time.monotonic() - began, simulated=simulated))
            raise
        finally:
            office.accounts.begun(choice.account)
        return await self._ended(self.end(started, self._judged(result), began, held))

    async def _ended(self, end: Coroutine[Any, Any, Told]) -> Told:
        """Whatever is cancelled now: the turn was paid, so it is recorded."""
        loop = asyncio.get_running_loop()
        ending = loop.create_task(end, name=f"end of {self.order.name}", context=Context())
        cancelled = await finished(ending)
        if cancelled is not None:
            raise cancelled
        return ending.result()

    def _begin(self, folder: Path, held: Held) -> None:
        """From now on it may cost something, and change something."""
        choice, attempt = self.order.choice, self.attempt
        attempt.spent.folder = str(folder)
        self.office.preparations.begin(choice)
        if choice.permission != "read-only":
            attempt.moved.append(choice.cwd)
            attempt.spent.uncached = True
        held.begun = True

    async def _result(self, invocation: Invocation, held: Held) -> TurnResult:
        """What the runner makes of it, unless it is ended because it costs too much."""
        listening = self._listening(held)
        try:
            async with self._over:
                return await self.office.around.runner.run(invocation, listening)
        except TimeoutError:
            if self._failure is None:
                raise
        return TurnResult(failure=self._failure)

    def _listening(self, held: Held) -> Listening:
        order, office = self.order, self.office
        accounts, account = office.accounts, order.choice.account

        def retried(cause: FailureKind | None) -> None:
            accounts.met(account, cause, time.monotonic())

        facts = (office.journalist, self.attempt.node, order.name, self.last)
        onward = partial(self._hear, held)
        return Listening(*facts, onward, partial(accounts.begun, account), retried)

    def _hear(self, held: Held, event: AgentEvent) -> None:
        if isinstance(event, SessionStarted) and event.model is not None:
            self.attempt.spent.models[asked_as(self.order.choice)] = event.model
            self.office.cache.hear(self.order.choice, event.model)
        if isinstance(event, UsageReported) and self._failure is None and held.counts:
            choice = self.order.choice
            told = TurnResult(usage=event.usage, cost_usd=event.cost_usd)
            cost_usd = priced(told, choice.model, choice.prices).cost_usd
            failure = None if cost_usd is None else self.office.treasury.meter(held, cost_usd)
            if failure is not None:
                self._failure = failure
                self._over.reschedule(asyncio.get_running_loop().time())
        if self.order.listener is not None:
            self.order.listener(event)

    def _judged(self, result: TurnResult) -> TurnResult:
        """*result* with its price, and with what else is known of its account."""
        now_s, choice, accounts = time.monotonic(), self.order.choice, self.office.accounts
        told, silent_s = result.failure, choice.limits.idle_s
        failure = accounts.judged(choice.account, told, now_s, silent_s)
        if told is not None:
            accounts.met(choice.account, told.kind, now_s)
            if self._entered is not None and (told.kind == "rate_limited" or lifted(told)):
                self._governor.close(self._entered, told)
            if told.kind == "stalled":
                self.office.journalist.say(self._stalled(silent_s))
        return priced(replace(result, failure=failure), choice.model, choice.prices)

    def _claim(self) -> Claim:
        choice = self.order.choice
        options = choice.options
        return Claim(
            node=self.attempt.node.partition(":")[0],
            agent=f"{choice.name} {choice.model or ''}",
            estimate_usd=options.estimate_usd,
            limit_usd=options.turn_usd,
        )

    def _not_begun(self, failure: Failure) -> Told:
        """Nothing was started."""
        result, order = TurnResult(failure=failure), self.order
        turn = turn_of(result, self.office.around.folders.path)
        return Told(result, turn, order.key, order.choice)

    async def _files(self) -> FileState | None:
        """What the files are now that the agent may edit, if it can and they are kept."""
        choice = self.order.choice
        able = choice.permission != "read-only" and not choice.adapter.capabilities.simulated
        return await self.office.files.now(choice.cwd) if able else None

    def _started(self, invocation: Invocation, files: FileState | None) -> TurnStarted:
        order, choice = self.order, self.order.choice
        goes_on = invocation.resume is not None and not invocation.fork
        return TurnStarted(
            time.time(),
            self.attempt.node,
            self.attempt.number,
            order.name,
            choice.name,
            choice.adapter.name,
            choice.model,
            invocation.prompt,
            str(invocation.folder),
            invocation.resume if goes_on else invocation.new_session_id,
            invocation.resume,
            choice.limits.idle_s,
            order.key,
            invocation.marker,
            str(choice.cwd),
            choice.permission,
            files,
        )

    def _cut(self, held: Held, duration_s: float, *, simulated: bool) -> TurnEnded:
        """A turn that was cancelled: its process is gone, what it used is not known."""
        failure = Failure("cancelled", "the turn was ended before its answer")
        cost_usd = 0.0 if simulated else None
        told = (self.order.name, duration_s, "", None, None, Usage(), cost_usd, failure, None)
        over = TurnEnded(time.time(), self.attempt.node, self.attempt.number, *told, simulated)
        return over if simulated or not held.purses else replace(over, booked_usd=held.usd)

    def _stalled(self, idle_s: float) -> AgentStalled:
        last = self.last[-1] if self.last else ""
        node, turn = self.attempt.node, self.order.name
        return AgentStalled(time.time(), node, turn, idle_s, idle_s, last)

    def _book(self, result: TurnResult, *, simulated: bool) -> None:
        spent = self.attempt.spent
        spent.simulated |= simulated
        spent.last_lines = tuple(self.last[-LAST_LINES:])
        if result.failure is not None:
            spent.kinds.add(result.failure.kind)
        if result.cost_usd is None:
            spent.unpriced += 1
        else:
            spent.priced += 1
            spent.cost_usd += result.cost_usd


@dataclass
class _ClosedError(Exception):
    """The account is closed for *left_s*, which is more than the turn may wait."""

    left_s: float


def turn_of(result: TurnResult, folder: Path, *, simulated: bool = False) -> Turn:
    """*result* as a body sees it."""
    return Turn(result.text, result.usage, result.cost_usd, result.session_id, folder, simulated)
