"""Gates: a person says yes or no."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from orchcore.declarations.body import RAISED
from orchcore.declarations.gates import Approval
from orchcore.events import ApprovalAsked, ApprovalGiven
from orchcore.execution.attempt_failures import failure_of
from orchcore.execution.endings import Ending
from orchcore.execution.journalist import Journalist
from orchcore.execution.ports import Answer, Surroundings
from orchcore.execution.resolving import Cell
from orchcore.execution.storing import brief, pretty, stored
from orchcore.results import Failure


class Gatekeeper:
    """Asks one question at a time.

    Args:
        around: Who can be asked.
        journalist: Told questions and answers.
    """

    def __init__(self, around: Surroundings, journalist: Journalist) -> None:
        self._around = around
        self._journalist = journalist
        self._one = asyncio.Lock()

    async def ask(self, cell: Cell, value: object) -> Ending:
        """How the gate *cell* ends, for *value*."""
        gate = cast("Approval", cell.node.declared)
        shown = pretty(value, None)
        if shown is None:
            detail = f"a {type(value).__name__} cannot be stored, so it cannot be approved"
            return Ending("failed", reason=detail, failure=Failure("error", detail))
        try:
            question = _question(gate.question, value)
        except RAISED as error:
            failure = failure_of(error)
            return Ending("failed", reason=str(failure), failure=failure)
        began = time.monotonic()
        answer = await self._answer(cell.id, question, shown)
        duration_s = time.monotonic() - began
        if answer is None:
            hint = "run it at a terminal, or with --yes"
            reason = f"nobody could be asked: {question} ({hint})"
            return Ending("paused", reason=reason, failure=Failure("blocked", reason))
        if not answer.approved:
            reason = f"not approved by {answer.by}"
            return Ending("skipped", reason=reason, declined=True, duration_s=duration_s)
        kept = stored(value, None)
        return Ending("passed", value, stored=kept, brief=brief(value), duration_s=duration_s)

    async def _answer(self, node: str, question: str, shown: str) -> Answer | None:
        if self._around.yes or self._around.approver is None:
            self._journalist.say(ApprovalAsked(time.time(), node, question, shown))
            answer = Answer(approved=True, by="--yes") if self._around.yes else None
        else:
            async with self._one:
                self._journalist.say(ApprovalAsked(time.time(), node, question, shown))
                answer = await self._around.approver.ask(question, shown)
        if answer is not None:
            given = ApprovalGiven(time.time(), node, answer.approved, answer.by)
            await self._journalist.commit(given)
        return answer


def _question(question: str | Callable[[Any], str], value: object) -> str:
    return question if isinstance(question, str) else str(question(value))
