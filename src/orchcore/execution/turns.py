"""One turn, from a conversation's point of view: slots, folder, events, record."""

import asyncio
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
from orchcore.events import (
    AgentEvent,
    AgentStalled,
    TurnEnded,
    TurnStarted,
)
from orchcore.execution.accounts import Accounts
from orchcore.execution.choosing import AgentBook, Choice
from orchcore.execution.endings import Spent
from orchcore.execution.journalist import Journalist
from orchcore.execution.limits import Slots, waiting, working
from orchcore.execution.listening import LAST_LINES, Listening
from orchcore.execution.ports import Surroundings
from orchcore.execution.preparations import Preparations
from orchcore.results import Failure, FailureKind, Turn, TurnResult, Usage


@dataclass(frozen=True, slots=True)
class Resumed:
    """The conversation a turn goes on with.

    Attributes:
        session_id: Its id at the CLI.
        fork: Whether it is branched.
        cwd: Where it began, absolute; ``None`` if that is not known.
        spent: Tokens of its turns so far, as far as they are known.
    """

    session_id: str
    fork: bool = False
    cwd: Path | None = None
    spent: Usage = field(default_factory=Usage)


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
class Office:
    """What all turns and commands of a run share.

    Attributes:
        around: The runner, the folders, the trees.
        slots: The run's limits.
        journalist: Told what happens.
        book: The agents.
        preparations: What a first turn of an agent is the occasion for.
        accounts: Which accounts met a limit lately.
    """

    around: Surroundings
    slots: Slots
    journalist: Journalist
    book: AgentBook
    preparations: Preparations
    accounts: Accounts = field(default_factory=Accounts)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one instance.

    Attributes:
        node: Instance id.
        number: From 1.
        spent: Where costs are added.
    """

    node: str
    number: int
    spent: Spent


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
        self._node = attempt.node
        self._attempt = attempt.number
        self._spent = attempt.spent
        self._ensure_going_on = ensure_going_on
        self._numbers = count(1)
        self._last: list[str] = []

    async def run(
        self, choice: Choice, asked: Asked, listener: Callable[[AgentEvent], None] | None = None
    ) -> tuple[TurnResult, Turn]:
        """Runs one turn, once its slots are free, and records it.

        Args:
            choice: The agent and its options.
            asked: What is wanted.
            listener: Told every event too (``ai.stream``).

        Returns:
            What it came to; its own failure is in the result, not raised.
        """
        self._ensure_going_on()
        number = next(self._numbers)
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
                return await self._in_slot(number, choice, asked, listener)

    async def _in_slot(
        self,
        number: int,
        choice: Choice,
        asked: Asked,
        listener: Callable[[AgentEvent], None] | None,
    ) -> tuple[TurnResult, Turn]:
        turn = f"turn-{number}"
        folder = self._around.folders.turn_folder(self._node, self._attempt, number)
        invocation = invocation_of(choice, asked, folder, self._around.folders.sessions)
        self._spent.folder = str(folder)
        self._journalist.say(self._started(turn, choice, invocation))
        self._preparations.begin(choice)

        begun = partial(self._accounts.begun, choice.account)

        def retried(cause: FailureKind | None) -> None:
            self._accounts.met(choice.account, cause, time.monotonic())

        facts = (self._journalist, self._node, turn, self._last)
        listening = Listening(*facts, listener, begun, retried)
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
            begun()
        result = self._judged(turn, choice, result)
        return await self._ended(turn, asked, result, (folder, simulated, began))

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
        self, turn: str, asked: Asked, result: TurnResult, facts: tuple[Path, bool, float]
    ) -> tuple[TurnResult, Turn]:
        folder, simulated, began = facts
        answer: str | None = None
        if result.failure is None:
            result, answer = asked.read(result)
        self._book(result, simulated)
        for warning in result.warnings:
            self._journalist.warn(warning, self._node)
        await self._journalist.commit(
            TurnEnded(
                time.time(),
                self._node,
                self._attempt,
                turn,
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
            )
        )
        told = Turn(
            result.text, result.usage, result.cost_usd, result.session_id, folder, simulated
        )
        return result, told

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
        if result.cost_usd is None:
            self._spent.unpriced += 1
        else:
            self._spent.priced += 1
            self._spent.cost_usd += result.cost_usd


def invocation_of(choice: Choice, asked: Asked, folder: Path, sessions: Path) -> Invocation:
    """The request for a turn of *choice*.

    Args:
        choice: The agent and its options.
        asked: What is wanted.
        folder: The turn's own folder.
        sessions: The folder for sessions that all turns of the run share.
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
        new_session_id=str(uuid4()),
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
    )
