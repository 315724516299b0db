"""Turns, from a conversation's point of view: those that were paid are not run again."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Protocol

from orchcore.agents.pricing import priced
from orchcore.errors import UsageError
from orchcore.events import AgentEvent, TurnReused, TurnStarted
from orchcore.execution.accounts import lifted
from orchcore.execution.asking import Asked, Attempt, Office, Order, Resumed, Told, invocation_of
from orchcore.execution.choosing import Choice
from orchcore.execution.keys import agent_digest, text_digest
from orchcore.execution.lineage import left_by
from orchcore.execution.memory import SCOPE
from orchcore.execution.one_turn import OneTurn, turn_of
from orchcore.execution.salvaging import Salvaged, salvaged
from orchcore.execution.standing_in import StandIns, closed_s
from orchcore.journal.past import PastTurn
from orchcore.results import Failure, TurnResult, Usage

AFTER_LIMIT = (
    "A rate limit interrupted you; it is lifted now. Go on where you stopped: look at what you "
    "have done so far, finish what was asked, and answer as you were asked to."
)
GO_ON = (
    "You were interrupted before your answer arrived. Go on where you stopped: look at what you "
    "have done so far, finish what was asked, and answer as you were asked to."
)


class Asking(Protocol):
    """The body that asks."""

    def ensure_going_on(self) -> None:
        """Raises ``CancelledError`` once no turn may begin any more."""
        ...

    async def lost(self, edits: tuple[PastTurn, ...]) -> bool:
        """Whether what *edits* had changed is gone, and they are to be made anew.

        Raises:
            HaltError: It is gone, and nobody has decided what then.
        """
        ...

    def outdated(self, at: float) -> bool:
        """Whether what began *at* that time saw edits that are others now."""
        ...

    def halt(self, why: str) -> None:
        """Goes on only if a person has said that all runs once more.

        Raises:
            HaltError: Nobody has.
        """
        ...


class TurnDesk:
    """Runs the turns of one attempt.

    Args:
        office: What all turns share.
        attempt: Which attempt.
        body: Whose attempt it is.
    """

    def __init__(self, office: Office, attempt: Attempt, body: Asking) -> None:
        self._office = office
        self._attempt = attempt
        self._body = body
        self._numbers = count(1)
        self._last: list[str] = []

    async def again(
        self, key: str, choice: Choice, asked: Asked, listener: Callable[[AgentEvent], None] | None
    ) -> Told:
        """Runs one turn more for what *key* stands for: its answer is the one that counts."""
        self._body.ensure_going_on()
        return await self._patiently(Order(self._name(), key, choice, asked, listener))

    async def run(
        self, choice: Choice, asked: Asked, listener: Callable[[AgentEvent], None] | None = None
    ) -> Told:
        """Runs one turn, once its slots are free, and records it; one that was paid is not run.

        Args:
            choice: The agent and its options.
            asked: What is wanted.
            listener: Told every event too (``ai.stream``).
        """
        self._body.ensure_going_on()
        order = Order(self._name(), self._key(choice, asked), choice, asked, listener)
        stand_ins = StandIns(self._office, choice)
        past = self._office.memory.turn(order.key)
        if past is not None and self._body.outdated(past.begun.at):
            past = None
        self._attempt.asked.add(order.key)
        again = await self._body.lost(_edits(past))
        if past is not None and not again:
            answerer = _named(stand_ins, past.begun.agent) or choice
            return self._reused(replace(order, choice=answerer), past)
        cut = self._office.memory.cut(order.key)
        who = None if cut is None or again else _named(stand_ins, cut.agent)
        if cut is not None and who is not None:
            told = stand_ins.asked(asked, cut.agent)
            return await self._after(replace(order, choice=who, asked=told), cut)
        return await self._patiently(order)

    async def _after(self, order: Order, cut: TurnStarted) -> Told:
        """What came of a turn that was interrupted, or comes of it now."""
        found = await self._salvaged(order, cut)
        if found.result is not None and await self._traces(order, cut):
            return await self._kept(order, cut, found.result)
        if found.result is not None:
            self._body.halt("it has answered, and nothing is there of what it may have changed")
            return await self._patiently(order)
        goes_on = _going_on(order.choice, order.asked, found)
        if goes_on is not None:
            told = await self._patiently(replace(order, asked=goes_on))
            failure = told.result.failure
            if failure is None or failure.kind != "session_not_found":
                return told
            return await self.again(order.key, order.choice, order.asked, order.listener)
        return await self._patiently(order)

    async def _traces(self, order: Order, cut: TurnStarted) -> bool:
        """Whether what a turn may have changed can be there: files are not as they were before."""
        if cut.files is None:
            return True
        return await self._office.files.now(order.choice.cwd) != cut.files

    async def _patiently(self, order: Order) -> Told:
        """Runs the turn, again after each rate limit: a wait costs no retry."""
        waited_s, limit_s, first = 0.0, order.choice.options.limit_wait_s, order.asked
        stand_ins = StandIns(self._office, order.choice)
        order = self._instead(order, stand_ins, first)
        while True:
            turn = self._turn(order, limit_s - waited_s)
            told = await turn.run()
            waited_s += turn.waited_s
            failure = told.result.failure
            gone = failure is not None and failure.kind == "session_not_found"
            if gone and order.asked is not first:
                first = stand_ins.asked(first, order.choice.name)
                order = replace(order, name=self._name(), asked=first)
                continue
            if failure is None or not limit_s or not _waited_for(failure):
                return told
            again = replace(order, name=self._name(), asked=_after_limit(order, told))
            order = self._instead(again, stand_ins, first)
            left_s = closed_s(self._office, order.choice)
            if waited_s + left_s > limit_s:
                turn.give_up()
                until = self._office.around.clock.unix() + left_s
                result = replace(told.result, failure=_too_long(failure, until, limit_s))
                return replace(told, result=result)

    def _instead(self, order: Order, stand_ins: StandIns, asked: Asked) -> Order:
        """*order* for the agent that may start soonest."""
        best = stand_ins.best()
        if best.name == order.choice.name:
            return order
        left_s = closed_s(self._office, order.choice)
        text = f"{best.name} stands in for {order.choice.name}, which is limited for {left_s:.0f} s"
        self._office.journalist.warn(text, self._attempt.node)
        return replace(order, choice=best, asked=stand_ins.asked(asked, best.name))

    def _name(self) -> str:
        return f"turn-{next(self._numbers)}"

    def _turn(self, order: Order, may_wait_s: float = 0.0) -> OneTurn:
        if order.choice.options.fallback and not closed_s(self._office, order.choice):
            may_wait_s = 0.0  # somebody else may be open by then
        around = (self._last, self._body.ensure_going_on, may_wait_s)
        return OneTurn(self._office, self._attempt, order, *around)

    def _key(self, choice: Choice, asked: Asked) -> str:
        resumed = asked.resumed
        after = "" if resumed is None else f"{resumed.chain}{' fork' * resumed.fork}"
        folder = str(self._office.around.folders.path)
        asked = asked.of(choice)
        parts = {
            "after": after,
            "prompt": text_digest(asked.prompt.replace(folder, "$RUN")),
            "schema": text_digest(json.dumps(asked.schema, sort_keys=True, default=str)),
            "agent": agent_digest(choice, self._office.project),
        }
        return SCOPE.get().key(parts).digest

    def _reused(self, order: Order, past: PastTurn) -> Told:
        attempt, over = self._attempt, past.over
        attempt.spent.simulated |= over.simulated
        attempt.spent.reused += 1
        attempt.spent.uncached = True
        if _edits(past):
            attempt.spent.leave(left_by(past), over.at)
        attempt.spent.folder = past.begun.folder
        place = (attempt.node, attempt.number, order.name, order.choice.name, past.begun.folder)
        event = TurnReused(time.time(), *place, over.cost_usd, over.simulated)
        self._office.journalist.say(event)
        result = TurnResult(
            text=over.text,
            answer=None if over.answer is None else json.loads(over.answer),
            session_id=over.session_id,
            usage=over.usage,
            cost_usd=over.cost_usd,
            exit_code=over.exit_code,
        )
        result, _ = order.asked.read(result)
        turn = turn_of(result, Path(past.begun.folder), simulated=over.simulated)
        return Told(result, turn, past.begun.key, order.choice)

    async def _salvaged(self, order: Order, cut: TurnStarted) -> Salvaged:
        sessions = self._office.around.folders.sessions
        folder = Path(cut.folder)
        asked = (order.choice, order.asked, folder, sessions, cut.session_id or "")
        return await asyncio.to_thread(salvaged, order.choice.adapter, invocation_of(*asked))

    async def _kept(self, order: Order, cut: TurnStarted, result: TurnResult) -> Told:
        """A turn whose end was written but not recorded counts as if it had just ended."""
        attempt = self._attempt
        begun = replace(cut, at=time.time(), marker="", turn=order.name)
        begun = replace(begun, node=attempt.node, attempt=attempt.number)
        attempt.spent.folder = cut.folder
        attempt.spent.uncached = True
        self._office.journalist.say(begun)
        result = priced(result, order.choice.model, order.choice.prices)
        return await self._turn(order).end(begun, result, time.monotonic(), salvaged=True)


def _edits(past: PastTurn | None) -> tuple[PastTurn, ...]:
    return () if past is None or past.begun.permission == "read-only" else (past,)


def _named(stand_ins: StandIns, name: str) -> Choice | None:
    """The agent called *name*; ``None`` if it is not configured any more."""
    try:
        return stand_ins.named(name)
    except UsageError:
        return None


def _waited_for(failure: Failure) -> bool:
    """Whether *failure* is a limit that a wait mends; ``overloaded`` is for retries."""
    return failure.kind == "rate_limited" or (failure.kind == "quota" and lifted(failure))


def _too_long(failure: Failure, until: float, limit_s: float) -> Failure:
    at = datetime.fromtimestamp(until, UTC).astimezone().strftime("%H:%M:%S")
    told = f"limited until {at}, rate_limit_max_wait={limit_s:g} s is used up"
    detail = f"{failure.detail} (gave up waiting: {told})"
    return replace(failure, kind="quota", detail=detail)


def _after_limit(order: Order, told: Told) -> Asked:
    """What is asked after a limit: the same conversation goes on, where its CLI can."""
    result, before = told.result, order.asked.resumed
    spent = (Usage(0, 0, 0) if before is None else before.spent).plus(result.usage)
    going_on = _in_session(order.choice, order.asked, result.session_id, AFTER_LIMIT, spent)
    return going_on or order.asked


def _going_on(choice: Choice, asked: Asked, found: Salvaged) -> Asked | None:
    """How to go on with a turn that was interrupted, in its own conversation, if its CLI can."""
    spent = Usage() if asked.resumed is None else asked.resumed.spent
    return _in_session(choice, asked, found.session_id, GO_ON, spent)


def _in_session(
    choice: Choice, asked: Asked, session_id: str | None, prompt: str, spent: Usage
) -> Asked | None:
    if session_id is None or not choice.adapter.capabilities.resume:
        return None
    cwd = choice.cwd if asked.resumed is None else asked.resumed.cwd
    resumed = Resumed(session_id, cwd=cwd, spent=spent)
    return replace(asked, prompt=prompt, resumed=resumed, whole=asked.whole or asked)
