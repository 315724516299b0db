"""Gates: a person says yes or no, changes the value, or has it revised."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from orchcore.declarations.body import RAISED
from orchcore.declarations.gates import Approval
from orchcore.events import ApprovalAsked, ApprovalGiven
from orchcore.execution.attempt_failures import failure_of
from orchcore.execution.endings import Ending
from orchcore.execution.journalist import Journalist
from orchcore.execution.keys import NoDigestError, value_digest
from orchcore.execution.memory import Memory
from orchcore.execution.ports import Answer, Question, Surroundings
from orchcore.execution.resolving import Cell
from orchcore.execution.storing import brief, pretty, stored
from orchcore.journal.decisions import left
from orchcore.results import Failure

_LOOK_S = 0.2
"""So often it is looked whether a question was answered elsewhere."""

type Revise = Callable[[Cell, str], Awaitable[Ending]]
"""Has what a gate is about made again, given a comment; ends with the new value."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a gate is about, now.

    Attributes:
        value: Itself.
        shown: For a person.
        digest: To know it again.
    """

    question: str
    value: object
    shown: str
    digest: str


class Gatekeeper:
    """Asks one question at a time.

    Args:
        around: Who can be asked, and where answers were left.
        journalist: Told questions and answers.
        memory: Answers of earlier processes.
        project: Where relative paths begin.

    Attributes:
        revise: Has a value revised; set by who can.
    """

    revise: Revise

    def __init__(
        self, around: Surroundings, journalist: Journalist, memory: Memory, project: Path
    ) -> None:
        self._around = around
        self._journalist = journalist
        self._memory = memory
        self._one = asyncio.Lock()
        self._project = project
        self._heeded: dict[str, float] = {}

    async def ask(self, cell: Cell, value: object) -> Ending:
        """How the gate *cell* ends, for *value*."""
        began = time.monotonic()
        before = ""
        seen: set[str] = set()
        while True:
            asked = self._about(cell, value)
            if isinstance(asked, Ending):
                return asked
            # a revision that changed nothing is not answered by the wish for it again
            known = None if asked.digest in seen else self._known(cell, asked)
            seen.add(asked.digest)
            answer = await self._answer(cell, asked, known, before)
            if answer is None:
                return self._paused(cell, asked)
            if not answer.comment:
                ending = replace(_ended(cell, asked, answer), duration_s=time.monotonic() - began)
                if isinstance(known, ApprovalGiven) and ending.gave:
                    ending = replace(ending, state="reused", reason=f"approved by {answer.by}")
                return ending
            revised = await self.revise(cell, answer.comment)
            if not revised.gave:
                return revised
            before, value = asked.shown, revised.value

    def known(self, cell: Cell, value: object) -> Ending | None:
        """How *cell* ends for *value*, if it was answered; paused if a revision is wanted."""
        asked = self._about(cell, value)
        if isinstance(asked, Ending):
            return asked
        given = self._known(cell, asked)
        if given is None:
            return None
        if given.comment:
            return Ending("paused", reason=f"a revision is wanted: {given.comment}")
        return _ended(cell, asked, Answer(given.approved, given.by, given.edited))

    def _about(self, cell: Cell, value: object) -> _Asked | Ending:
        gate = cast("Approval", cell.node.declared)
        shown = pretty(value, None)
        try:
            digest = value_digest(value, self._project)
        except NoDigestError:
            shown, digest = None, ""
        if shown is None:
            detail = f"a {type(value).__name__} cannot be stored, so it cannot be approved"
            return Ending("failed", reason=detail, failure=Failure("error", detail))
        try:
            return _Asked(_question(gate.question, value), value, shown, digest)
        except RAISED as error:
            failure = failure_of(error)
            return Ending("failed", reason=str(failure), failure=failure)

    async def _answer(
        self, cell: Cell, asked: _Asked, known: Answer | ApprovalGiven | None, before: str
    ) -> Answer | None:
        if isinstance(known, ApprovalGiven):
            cell.spent.leave(known.left, known.at)
            return Answer(known.approved, known.by, known.edited, known.comment)
        if known is not None:
            await self._given(cell, asked, known)
            return known
        if self._around.yes or self._around.approver is None:
            self._tell(cell, asked)
            if not self._around.yes:
                return None
            answer = Answer(approved=True, by="--yes")
        else:
            async with self._one:
                self._tell(cell, asked)
                found = await self._of_person(cell, asked, before)
            if found is None:
                return None
            answer = found
        await self._given(cell, asked, answer)
        return answer

    def _known(self, cell: Cell, asked: _Asked) -> Answer | ApprovalGiven | None:
        """The latest answer that was given to the same question, recorded or left in a file."""
        given = self._memory.past.answers.get((cell.id, asked.digest))
        decision = left(self._around.folders.answer_file(cell.id))
        if decision is None or decision.digest != asked.digest:
            return given
        if decision.at <= self._heeded.get(cell.id, 0.0):  # it was taken before, and is once only
            return given
        if given is not None and given.at >= decision.at:
            return given
        if decision.edited is not None and isinstance(_read(cell, asked, decision.edited), str):
            return given  # the type has changed since
        self._heeded[cell.id] = decision.at
        return Answer(decision.approved, decision.by, decision.edited, decision.comment)

    async def _of_person(self, cell: Cell, asked: _Asked, before: str) -> Answer | None:
        approver = self._around.approver
        assert approver is not None  # noqa: S101  asked for only if there is one
        draft = self._around.folders.answer_file(cell.id).with_suffix(".draft.json")
        question = Question(asked.question, asked.shown, before, draft=draft)
        while True:
            answer = await self._first(approver.ask(question), cell, asked)
            if answer is None or answer.edited is None:
                return answer
            problem = _read(cell, asked, answer.edited)
            if not isinstance(problem, str):
                return answer
            question = replace(question, problem=problem)

    async def _first(
        self, here: Coroutine[Any, Any, Answer | None], cell: Cell, asked: _Asked
    ) -> Answer | None:
        """The answer of whoever gives one first: the person *here*, or one elsewhere."""
        loop = asyncio.get_running_loop()
        asking = loop.create_task(here, name=f"question of {cell.id}")
        looking = loop.create_task(self._elsewhere(cell, asked), name=f"answers to {cell.id}")
        both = asking, looking
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return (asking if asking.done() else looking).result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both)

    async def _elsewhere(self, cell: Cell, asked: _Asked) -> Answer:
        """The answer that another process leaves while the question stands here."""
        while True:
            answer = self._known(cell, asked)
            if isinstance(answer, Answer):
                return answer
            await asyncio.sleep(_LOOK_S)

    def _tell(self, cell: Cell, asked: _Asked) -> None:
        told = (asked.question, asked.shown, asked.digest)
        self._journalist.say(ApprovalAsked(time.time(), cell.id, *told))

    async def _given(self, cell: Cell, asked: _Asked, answer: Answer) -> None:
        told = (answer.approved, answer.by, asked.digest, answer.edited, answer.comment)
        await self._journalist.commit(ApprovalGiven(time.time(), cell.id, *told, cell.spent.left))

    def _paused(self, cell: Cell, asked: _Asked) -> Ending:
        run = self._around.folders.id
        hint = f"orchcore approve {run} {cell.id} --yes, or run it at a terminal"
        reason = f"nobody could be asked: {asked.question} ({hint})"
        return Ending("paused", reason=reason, failure=Failure("blocked", reason))


def _ended(cell: Cell, asked: _Asked, answer: Answer) -> Ending:
    if not answer.approved:
        reason = f"not approved by {answer.by}"
        return Ending("skipped", reason=reason, declined=True)
    value = asked.value
    if answer.edited is not None:
        found = _read(cell, asked, answer.edited)
        if isinstance(found, str):
            return Ending("failed", reason=found, failure=Failure("error", found))
        (value,) = found
    return Ending("passed", value, stored=stored(value, None), brief=brief(value))


def _read(cell: Cell, asked: _Asked, edited: str) -> tuple[object] | str:
    """The edited value, or why it is none of its type."""
    returns = cell.node.returns
    kind: Any = type(asked.value) if returns is None else returns
    try:
        return (TypeAdapter[Any](kind).validate_json(edited),)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "value"
        return f"the edited value is no {getattr(kind, '__name__', kind)}: {place}: {first['msg']}"
    except RAISED as error:  # a validator of the user's may raise anything
        return f"the edited value cannot be read: {error}"


def _question(question: str | Callable[[Any], str], value: object) -> str:
    return question if isinstance(question, str) else str(question(value))
