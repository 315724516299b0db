"""The ``Agent`` that a body talks to: one conversation with one agent CLI."""

import asyncio
import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack, cast
from weakref import ReferenceType, ref

from orchcore.declarations.agent import Agent, TurnOptions
from orchcore.errors import OrchcoreError, Problem, UsageError
from orchcore.events import AgentEvent
from orchcore.execution.abilities import FORK, RESUME, Ability
from orchcore.execution.answers import AnswerShape, InvalidAnswerError, shape
from orchcore.execution.asking import Asked, Resumed, Told
from orchcore.execution.choosing import AgentBook, Choice
from orchcore.execution.turns import TurnDesk
from orchcore.results import Failure, SessionRef, Turn, TurnFailed, TurnResult, Usage

NUDGE = (
    "Nothing was heard from you for a while, so your last turn was ended. Go on where you stopped: "
    "look at what you have done so far, finish what was asked, and answer as you were asked to."
)

REVISE = "You have answered this before. A person has seen that and wants it revised: "


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a conversation's turns are ordered.

    Attributes:
        book: The agents of the run.
        desk: Runs the turns of one attempt.
        spawn: Starts a task that ends with the body at the latest.
    """

    book: AgentBook
    desk: TurnDesk
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


_NOTHING = Usage(0, 0, 0)


class Conversation:
    """Implements ``Agent``.

    Args:
        counter: The agents and the desk.
        choice: The agent and its options.
        resumed: The conversation it goes on with; ``None`` starts a new one.
        feedback: What a person wants revised; ``None``: nothing.
    """

    def __init__(
        self,
        counter: Counter,
        choice: Choice,
        resumed: Resumed | None = None,
        feedback: str | None = None,
    ) -> None:
        self._counter = counter
        self._choice = choice
        self._resumed = resumed
        self._feedback = feedback
        self._last: Turn | None = None
        self._answered = False
        self._heard = feedback is None
        self._reader: ReferenceType[object] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def name(self) -> str:
        """The agent's configured name."""
        return self._choice.name

    @property
    def cwd(self) -> Path:
        """The agent's working directory."""
        return self._choice.cwd

    @property
    def feedback(self) -> str | None:
        """What a person at a gate wants revised; ``None`` the first time."""
        self._heard = True
        return self._feedback

    @property
    def last(self) -> Turn:
        """The last finished turn."""
        if self._last is None:
            raise OrchcoreError(
                Problem("no-turn", "ai.last: no turn has finished yet", None, ("ask first",))
            )
        return self._last

    @property
    def ref(self) -> SessionRef:
        """What another node needs to go on with this conversation."""
        resumed = self._resumed
        nothing = SessionRef(self._choice.name, None, self._choice.model, self._began_in)
        if resumed is None:
            return nothing
        return replace(
            nothing, session_id=resumed.session_id, spent=resumed.spent, chain=resumed.chain
        )

    @property
    def _began_in(self) -> Path:
        """Where the conversation began: a CLI may know it there only."""
        began = None if self._resumed is None else self._resumed.cwd
        return began or self._choice.cwd

    async def ask(self, prompt: str, result: Any = str, /) -> Any:
        """Runs one turn, and as many more as its answer has to be asked again."""
        prompt = self._with_feedback(prompt)
        await self._left_alone()
        with self._alone():
            if result is str:
                told = await self._turn(Asked(prompt, None, self._resumed, _text), None)
                return told.result.text
            return await self._structured(prompt, shape(result))

    def stream(self, prompt: str, /) -> AsyncIterator[AgentEvent]:
        """Runs one turn and gives its events as they happen.

        ``break`` ends the turn, unless something still holds the iterator: then it ends with that,
        or with ``contextlib.aclosing``.
        """
        reader: list[ReferenceType[object]] = []
        events = self._events(prompt, reader)
        reader.append(ref(events))
        return events

    async def _events(
        self, prompt: str, reader: Sequence[ReferenceType[object]]
    ) -> AsyncGenerator[AgentEvent]:
        heard: asyncio.Queue[AgentEvent | None] = asyncio.Queue()
        prompt = self._with_feedback(prompt)
        await self._left_alone()
        with self._alone():
            self._reader = reader[0]
            asked = Asked(prompt, None, self._resumed, _text)
            turn = self._counter.spawn(self._streamed(asked, heard), f"stream-{self.name}")
            try:
                while (event := await heard.get()) is not None:
                    yield event
                await turn
            finally:
                turn.cancel()
                await asyncio.wait([turn])
                if not turn.cancelled():
                    turn.exception()  # looked at: it was raised above, or nobody reads any more

    async def _streamed(self, asked: Asked, heard: asyncio.Queue[AgentEvent | None]) -> None:
        try:
            await self._turn(asked, heard.put_nowait)
        finally:
            heard.put_nowait(None)

    def fork(self) -> Agent:
        """A new conversation that begins as a copy of this one."""
        self._ensure(FORK)
        branched = None if self._resumed is None else replace(self._resumed, fork=True)
        return Conversation(self._counter, self._choice, branched)

    def using(self, name: str | None = None, /, **options: Unpack[TurnOptions]) -> Agent:
        """Another, new conversation."""
        changed = self._counter.book.changed(self._choice, name, cast("dict[str, Any]", options))
        return Conversation(self._counter, changed)

    async def _structured(self, prompt: str, wanted: AnswerShape) -> object:
        asked = Asked(prompt, wanted.schema, self._resumed, _text, wanted.instructions())
        for left in range(self._choice.reasks, -1, -1):
            value: list[object] = []
            asked = replace(asked, read=_reader(wanted, value))
            try:
                await self._turn(asked, None)
            except TurnFailed as error:
                if error.failure.kind != "invalid_output" or not left:
                    raise
                asked = self._again(replace(asked, prompt=prompt), error.failure)
            else:
                return value[0]
        raise AssertionError("a loop over reasks either returns or raises")

    def _again(self, asked: Asked, failure: Failure) -> Asked:
        """What is asked after an answer that was not valid, in its conversation if that goes on."""
        if self._resumed is None:
            text = f"{asked.prompt}\n\nA previous answer was not valid: {failure.detail}"
            return replace(asked, prompt=text)
        text = (
            f"Your answer was not valid: {failure.detail}\n"
            "Answer again, with valid JSON for the same schema and nothing else."
        )
        whole = asked.whole or asked
        return replace(asked, prompt=text, resumed=self._resumed, instructions="", whole=whole)

    def _with_feedback(self, prompt: str) -> str:
        """*prompt*, with what a person wants revised if the body has not looked at that."""
        if self._heard:
            return prompt
        self._heard = True
        return f"{prompt}\n\n{REVISE}{self._feedback}"

    def _ensure(self, ability: Ability, way_out: str = "") -> None:
        try:
            self._counter.book.ensure(self.name, (ability,))
        except UsageError as error:
            detail = f"{error.problems[0].message}; {error.hint}{way_out}"
            raise TurnFailed(Failure("bad_invocation", detail)) from None

    async def _turn(self, asked: Asked, listener: Callable[[AgentEvent], None] | None) -> Told:
        told = await self._one(asked, listener)
        if self._may_be_nudged(told.result):
            nudge = replace(asked, prompt=NUDGE, resumed=self._resumed, whole=asked.whole or asked)
            again = partial(self._counter.desk.again, told.key)
            nudged = await self._one(nudge, listener, again)
            failure = nudged.result.failure
            if failure is None or failure.kind != "session_not_found":
                told = nudged
        if told.result.failure is not None:
            raise TurnFailed(told.result.failure, told.turn.transcript)
        self._answered = True
        return told

    async def _one(
        self,
        asked: Asked,
        listener: Callable[[AgentEvent], None] | None,
        run: Callable[..., Awaitable[Told]] | None = None,
    ) -> Told:
        told = await (run or self._counter.desk.run)(self._choice, asked, listener)
        result = told.result
        self._last = told.turn
        if told.choice.name != self._choice.name:  # it stood in, and goes on with it
            self._choice, self._resumed = told.choice, None
        if result.session_id is not None and self._choice.adapter.capabilities.resume:
            before = _NOTHING if self._resumed is None else self._resumed.spent
            spent = before.plus(result.usage)
            where = self._began_in
            self._resumed = Resumed(result.session_id, cwd=where, spent=spent, chain=told.key)
        return told

    def _may_be_nudged(self, result: TurnResult) -> bool:
        """Whether a turn that fell silent can go on in its own session."""
        stalled = result.failure is not None and result.failure.kind == "stalled"
        return stalled and result.session_id is not None and self._resumed is not None

    async def _left_alone(self) -> None:
        """Waits for the end of a stream that nobody reads any more."""
        if self._reader is not None and self._reader() is None:
            await self._idle.wait()

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Lets one turn at a time run on this conversation."""
        if not self._idle.is_set():
            hint = "await one ask after the other, or ask ai.fork() or ai.using(...) meanwhile"
            if self._reader is not None:
                hint = (
                    "end the stream first:   async with contextlib.aclosing(ai.stream(...)) as it"
                )
            message = f"two turns at once on one conversation with '{self.name}'"
            raise OrchcoreError(Problem("concurrent-ask", message, None, (hint,)))
        if self._answered:
            self._ensure(RESUME, "; ai.using() begins another")
        self._idle.clear()
        try:
            yield
        finally:
            self._reader = None
            self._idle.set()


def _text(result: TurnResult) -> tuple[TurnResult, str | None]:
    return result, json.dumps(result.text)


def _reader(
    wanted: AnswerShape, value: list[object]
) -> Callable[[TurnResult], tuple[TurnResult, str | None]]:
    def read(result: TurnResult) -> tuple[TurnResult, str | None]:
        try:
            answer, stored = wanted.read(result)
        except InvalidAnswerError as error:
            detail = f"the answer is no {wanted.name}: {error}"
            return replace(result, failure=Failure("invalid_output", detail)), None
        value.append(answer)
        return result, stored

    return read
