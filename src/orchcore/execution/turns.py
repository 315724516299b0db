"""One turn, from a conversation's point of view: slots, folder, events, record."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

from orchcore.agents.invocation import Invocation
from orchcore.agents.pricing import priced
from orchcore.agents.process_table import MARKER_DIGITS
from orchcore.events import (
    AgentEvent,
    AgentStalled,
    TurnEnded,
    TurnReused,
    TurnStarted,
)
from orchcore.execution.accounts import Accounts
from orchcore.execution.choosing import AgentBook, Choice
from orchcore.execution.endings import Spent
from orchcore.execution.journalist import Journalist
from orchcore.execution.keys import agent_digest, text_digest
from orchcore.execution.limits import Slots, waiting, working
from orchcore.execution.listening import LAST_LINES, Listening
from orchcore.execution.memory import SCOPE, Memory
from orchcore.execution.ports import Surroundings
from orchcore.execution.preparations import Preparations
from orchcore.execution.salvaging import Salvaged, salvaged
from orchcore.journal.past import PastTurn
from orchcore.results import Failure, FailureKind, Turn, TurnResult, Usage

GO_ON = (
    "You were interrupted before your answer arrived. Go on where you stopped: look at what you "
    "have done so far, finish what was asked, and answer as you were asked to."
)


@dataclass(frozen=True, slots=True)
class Resumed:
    """The conversation a turn goes on with.

    Attributes:
        session_id: Its id at the CLI.
        fork: Whether it is branched.
        cwd: Where it began, absolute; ``None`` if that is not known.
        spent: Tokens of its turns so far, as far as they are known.
        chain: Key of its last turn, which stands for all of them.
    """

    session_id: str
    fork: bool = False
    cwd: Path | None = None
    spent: Usage = field(default_factory=Usage)
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a conversation wants of one turn.

    Attributes:
        prompt: The text.
        schema: JSON schema of the answer, for CLIs that take one.
        resumed: The conversation that goes on, if one does.
        read: Makes the answer's JSON of a successful result; may turn it into a failure.
    """

    prompt: str
    schema: Mapping[str, object] | None
    resumed: Resumed | None
    read: Callable[[TurnResult], tuple[TurnResult, str | None]]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it.

    Attributes:
        result: The turn's; its own failure is in it, not raised.
        turn: The same for the body.
        key: All that the answer depends on.
    """

    result: TurnResult
    turn: Turn
    key: str


@dataclass(frozen=True, slots=True)
class Office:
    """What all turns and commands of a run share.

    Attributes:
        around: The runner, the folders, the trees.
        slots: The run's limits.
        journalist: Told what happens.
        book: The agents.
        preparations: What a first turn of an agent is the occasion for.
        project: The project's folder.
        memory: What was paid for before.
        accounts: Which accounts met a limit lately.
    """

    around: Surroundings
    slots: Slots
    journalist: Journalist
    book: AgentBook
    preparations: Preparations
    project: Path
    memory: Memory
    accounts: Accounts = field(default_factory=Accounts)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one instance.

    Attributes:
        node: Instance id.
        number: From 1.
        spent: Where costs are added.
        moved: Folders in which agents that may edit have worked.
    """

    node: str
    number: int
    spent: Spent
    moved: list[Path] = field(default_factory=list[Path])


class TurnDesk:
    """Runs the turns of one attempt.

    Args:
        office: What all turns share.
        attempt: Which attempt.
        ensure_going_on: Raises ``CancelledError`` once no turn may begin any more.
    """

    def __init__(
        self, office: Office, attempt: Attempt, ensure_going_on: Callable[[], None]
    ) -> None:
        self._around = office.around
        self._slots = office.slots
        self._journalist = office.journalist
        self._preparations = office.preparations
        self._accounts = office.accounts
        self._memory = office.memory
        self._project = office.project
        self._node = attempt.node
        self._attempt = attempt.number
        self._spent = attempt.spent
        self._moved = attempt.moved
        self._ensure_going_on = ensure_going_on
        self._numbers = count(1)
        self._last: list[str] = []

    async def again(
        self, key: str, choice: Choice, asked: Asked, listener: Callable[[AgentEvent], None] | None
    ) -> Told:
        """Runs one turn more for what *key* stands for: its answer is the one that counts."""
        self._ensure_going_on()
        return await self._run(f"turn-{next(self._numbers)}", key, choice, asked, listener)

    async def run(
        self, choice: Choice, asked: Asked, listener: Callable[[AgentEvent], None] | None = None
    ) -> Told:
        """Runs one turn, once its slots are free, and records it; one that was paid is not run.

        Args:
            choice: The agent and its options.
            asked: What is wanted.
            listener: Told every event too (``ai.stream``).
        """
        self._ensure_going_on()
        key = self._key(choice, asked)
        turn = f"turn-{next(self._numbers)}"
        past = self._memory.turn(key)
        if past is not None:
            return self._reused(turn, choice, asked, past)
        cut = self._memory.cut(key)
        if cut is not None:
            found = await self._salvaged(choice, asked, cut)
            if found.result is not None:
                return await self._kept(turn, choice, asked, cut, found.result)
            goes_on = _going_on(choice, asked, found)
            if goes_on is not None:
                told = await self._run(turn, key, choice, goes_on, listener)
                failure = told.result.failure
                if failure is None or failure.kind != "session_not_found":
                    return told
                return await self.again(key, choice, asked, listener)
        return await self._run(turn, key, choice, asked, listener)

    def _key(self, choice: Choice, asked: Asked) -> str:
        resumed = asked.resumed
        after = "" if resumed is None else f"{resumed.chain}{' fork' * resumed.fork}"
        folder = str(self._around.folders.path)
        parts = {
            "after": after,
            "prompt": text_digest(asked.prompt.replace(folder, "$RUN")),
            "schema": text_digest(json.dumps(asked.schema, sort_keys=True, default=str)),
            "agent": agent_digest(choice, self._project),
        }
        return SCOPE.get().key(parts).digest

    def _reused(self, turn: str, choice: Choice, asked: Asked, past: PastTurn) -> Told:
        over = past.over
        self._spent.simulated |= over.simulated
        self._spent.reused += 1
        self._spent.folder = past.begun.folder
        place = (self._node, self._attempt, turn, choice.name, past.begun.folder)
        self._journalist.say(TurnReused(time.time(), *place, over.cost_usd, over.simulated))
        result = TurnResult(
            text=over.text,
            answer=None if over.answer is None else json.loads(over.answer),
            session_id=over.session_id,
            usage=over.usage,
            cost_usd=over.cost_usd,
            exit_code=over.exit_code,
        )
        result, _ = asked.read(result)
        return Told(result, _turn(result, Path(past.begun.folder), over.simulated), past.begun.key)

    async def _salvaged(self, choice: Choice, asked: Asked, cut: TurnStarted) -> Salvaged:
        invocation = invocation_of(
            choice, asked, Path(cut.folder), self._around.folders.sessions, cut.session_id or ""
        )
        return await asyncio.to_thread(salvaged, choice.adapter, invocation)

    async def _kept(
        self, turn: str, choice: Choice, asked: Asked, cut: TurnStarted, result: TurnResult
    ) -> Told:
        """A turn whose end was written but not recorded counts as if it had just ended."""
        begun = replace(
            cut, at=time.time(), node=self._node, attempt=self._attempt, turn=turn, marker=""
        )
        self._spent.folder = cut.folder
        self._journalist.say(begun)
        result = priced(result, choice.model, choice.prices)
        return await self._ended(begun, choice, asked, result, time.monotonic(), salvaged=True)

    async def _run(
        self,
        turn: str,
        key: str,
        choice: Choice,
        asked: Asked,
        listener: Callable[[AgentEvent], None] | None,
    ) -> Told:
        async with AsyncExitStack() as stack:
            with waiting():
                slots = self._slots.taken(
                    choice.slots, choice.account, choice.settings.max_parallel
                )
                await stack.enter_async_context(slots)
                if choice.adapter.capabilities.starts_alone:
                    await self._accounts.let_first_begin(choice.account)
            self._ensure_going_on()
            with working():
                return await self._in_slot(turn, key, choice, asked, listener)

    async def _in_slot(
        self,
        turn: str,
        key: str,
        choice: Choice,
        asked: Asked,
        listener: Callable[[AgentEvent], None] | None,
    ) -> Told:
        number = int(turn.removeprefix("turn-"))
        folder = self._around.folders.turn_folder(self._node, self._attempt, number)
        invocation = invocation_of(choice, asked, folder, self._around.folders.sessions)
        started = replace(self._started(turn, choice, invocation), key=key)
        self._spent.folder = str(folder)
        self._journalist.say(started)
        self._preparations.begin(choice)
        if choice.permission != "read-only":
            self._moved.append(choice.cwd)

        listening = self._listening(turn, choice, listener)
        simulated = choice.adapter.capabilities.simulated
        began = time.monotonic()
        try:
            result = await self._around.runner.run(invocation, listening)
        except asyncio.CancelledError:
            # what it used is not known: a turn without a price, but a simulated one is free
            self._book(TurnResult(cost_usd=0.0 if simulated else None), simulated)
            self._journalist.say(self._cut(turn, time.monotonic() - began, simulated))
            raise
        finally:
            self._accounts.begun(choice.account)
        result = self._judged(turn, choice, result)
        return await self._ended(started, choice, asked, result, began)

    def _listening(
        self, turn: str, choice: Choice, listener: Callable[[AgentEvent], None] | None
    ) -> Listening:
        accounts, account = self._accounts, choice.account

        def retried(cause: FailureKind | None) -> None:
            accounts.met(account, cause, time.monotonic())

        facts = (self._journalist, self._node, turn, self._last)
        return Listening(*facts, listener, partial(accounts.begun, account), retried)

    def _judged(self, turn: str, choice: Choice, result: TurnResult) -> TurnResult:
        """*result* with its price, and with what else is known of its account."""
        now_s = time.monotonic()
        told, silent_s = result.failure, choice.limits.idle_s
        failure = self._accounts.judged(choice.account, told, now_s, silent_s)
        if told is not None:
            self._accounts.met(choice.account, told.kind, now_s)
            if told.kind == "stalled":
                self._journalist.say(self._stalled(turn, silent_s))
        return priced(replace(result, failure=failure), choice.model, choice.prices)

    async def _ended(
        self,
        begun: TurnStarted,
        choice: Choice,
        asked: Asked,
        result: TurnResult,
        began: float,
        *,
        salvaged: bool = False,
    ) -> Told:
        simulated = choice.adapter.capabilities.simulated
        answer: str | None = None
        if result.failure is None:
            result, answer = asked.read(result)
        self._book(result, simulated)
        for warning in result.warnings:
            self._journalist.warn(warning, self._node)
        over = TurnEnded(
            time.time(),
            self._node,
            self._attempt,
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
        )
        await self._journalist.commit(over)
        self._memory.keep(begun, over)
        return Told(result, _turn(result, Path(begun.folder), simulated), begun.key)

    def _started(self, turn: str, choice: Choice, invocation: Invocation) -> TurnStarted:
        goes_on = invocation.resume is not None and not invocation.fork
        return TurnStarted(
            time.time(),
            self._node,
            self._attempt,
            turn,
            choice.name,
            choice.adapter.name,
            choice.model,
            invocation.prompt,
            str(invocation.folder),
            invocation.resume if goes_on else invocation.new_session_id,
            invocation.resume,
            choice.limits.idle_s,
            marker=invocation.marker,
        )

    def _cut(self, turn: str, duration_s: float, simulated: bool) -> TurnEnded:
        """A turn that was cancelled: its process is gone, what it used is not known."""
        failure = Failure("cancelled", "the turn was ended before its answer")
        facts = (
            turn,
            duration_s,
            "",
            None,
            None,
            Usage(),
            0.0 if simulated else None,
            failure,
            None,
        )
        return TurnEnded(time.time(), self._node, self._attempt, *facts, simulated)

    def _stalled(self, turn: str, idle_s: float) -> AgentStalled:
        last = self._last[-1] if self._last else ""
        return AgentStalled(time.time(), self._node, turn, idle_s, idle_s, last)

    def _book(self, result: TurnResult, simulated: bool) -> None:
        self._spent.simulated |= simulated
        self._spent.last_lines = tuple(self._last[-LAST_LINES:])
        if result.failure is not None:
            self._spent.kinds.add(result.failure.kind)
        if result.cost_usd is None:
            self._spent.unpriced += 1
        else:
            self._spent.priced += 1
            self._spent.cost_usd += result.cost_usd


def _turn(result: TurnResult, folder: Path, simulated: bool) -> Turn:
    return Turn(result.text, result.usage, result.cost_usd, result.session_id, folder, simulated)


def _going_on(choice: Choice, asked: Asked, found: Salvaged) -> Asked | None:
    """How to go on with a turn that was interrupted, in its own conversation, if its CLI can."""
    if found.session_id is None or not choice.adapter.capabilities.resume:
        return None
    before = asked.resumed
    spent = Usage() if before is None else before.spent
    cwd = choice.cwd if before is None else before.cwd
    return replace(asked, prompt=GO_ON, resumed=Resumed(found.session_id, cwd=cwd, spent=spent))


def invocation_of(
    choice: Choice, asked: Asked, folder: Path, sessions: Path, session_id: str | None = None
) -> Invocation:
    """The request for a turn of *choice*.

    Args:
        choice: The agent and its options.
        asked: What is wanted.
        folder: The turn's own folder.
        sessions: The folder for sessions that all turns of the run share.
        session_id: For a new conversation; ``None``: any.
    """
    resumed = asked.resumed
    settings = choice.settings
    invocation = Invocation(
        agent=choice.name,
        adapter=choice.adapter.name,
        prompt=asked.prompt,
        cwd=choice.cwd,
        folder=folder,
        session_folder=sessions,
        new_session_id=str(uuid4()) if session_id is None else session_id,
        program=settings.program,
        model=choice.model,
        permission=choice.permission,
        tools=choice.tools,
    )
    return replace(
        invocation,
        resume=None if resumed is None else resumed.session_id,
        resume_cwd=None if resumed is None else resumed.cwd,
        spent_before=None if resumed is None else resumed.spent,
        fork=resumed is not None and resumed.fork,
        schema=asked.schema,
        args=settings.args,
        argv=settings.argv,
        env=choice.env,
        pass_env=choice.pass_env,
        hermetic=settings.hermetic,
        limits=choice.limits,
        marker=uuid4().hex[:MARKER_DIGITS],
    )
