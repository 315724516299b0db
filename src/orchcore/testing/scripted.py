"""Agents that say what a test wants: a ``TurnRunner`` in memory, and adapters to go with it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from orchcore.agents.adapters.protocol import Capabilities, Launch, Parser, Versions
from orchcore.agents.invocation import Invocation, Listener
from orchcore.errors import Problem, UsageError
from orchcore.events import FinalGiven, SessionStarted, TextWritten
from orchcore.results import Failure, FailureKind, TurnResult, Usage

type Script = Callable[[Invocation], TurnResult | Awaitable[TurnResult]]
"""What a turn comes to; an awaitable lets a test decide when it ends."""

ABLE = Capabilities(
    resume=True, fork=True, schema=True, tools=True, chosen_session_id=True, max_turns=True
)
"""Everything a CLI may be able to do, except to make its answers up."""


def replied(
    text: str, *, cost_usd: float | None = None, session_id: str | None = None
) -> TurnResult:
    """A turn that succeeded with *text*.

    Args:
        text: The answer.
        cost_usd: Its price; ``None``: unknown.
        session_id: The conversation's id; by default the one the invocation implies.
    """
    usage = Usage(len(text), len(text))
    return TurnResult(text, session_id=session_id, usage=usage, cost_usd=cost_usd, exit_code=0)


def answered(data: object, *, cost_usd: float | None = None) -> TurnResult:
    """A turn that succeeded with a structured answer, JSON-like *data*; a text is one, too."""
    text = data if isinstance(data, str) else repr(data)
    return replace(replied(text, cost_usd=cost_usd), answer=data)


def failed(
    kind: FailureKind = "server_error", detail: str = "scripted", *, retry_after_s: float = 0.001
) -> TurnResult:
    """A turn that failed; another attempt, if there is one, starts after *retry_after_s*."""
    return TurnResult(failure=Failure(kind, detail, retry_after_s), exit_code=1)


class ScriptedRunner:
    """Implements ``TurnRunner`` without processes.

    Args:
        script: Says what each turn comes to. A result without a session id gets the one that a
            CLI would have told: the resumed one, or the new one if it is new or forked.

    Attributes:
        invocations: Every request so far, in order.
        running: How many turns run now.
        most: How many ran at once at most.

    Example:
        >>> runner = ScriptedRunner(lambda asked: replied(asked.prompt.upper()))
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.invocations: list[Invocation] = []
        self.running = 0
        self.most = 0

    @property
    def prompts(self) -> list[str]:
        """The prompts of all turns so far, in order."""
        return [invocation.prompt for invocation in self.invocations]

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        """Runs one turn as the script says; see ``TurnRunner.run``."""
        self.invocations.append(invocation)
        self.running += 1
        self.most = max(self.most, self.running)
        session_id = _session_id(invocation)
        listener(SessionStarted(session_id))
        try:
            made = self._script(invocation)
            result = await made if inspect.isawaitable(made) else made
        finally:
            self.running -= 1
        if result.text:
            listener(TextWritten(result.text))
        listener(FinalGiven(result.failure is None))
        return result if result.session_id else replace(result, session_id=session_id)


_NO_VERSIONS = Versions()


@dataclass(frozen=True, slots=True)
class ScriptedAdapter:
    """An adapter with given capabilities; it has no program and starts no process.

    Attributes:
        name: As agents are named in orchfiles.
        capabilities: What it can do.
        program: What must be in PATH; empty: nothing.
        versions, login_env: Nothing, for a process that is never started.
    """

    name: str
    capabilities: Capabilities = ABLE
    program: str = ""
    versions: Versions = _NO_VERSIONS
    login_env: tuple[str, ...] = ()

    def command(self, invocation: Invocation) -> Launch:
        """A line that nobody runs, since ``parser`` refuses."""
        return Launch((invocation.agent,))

    def parser(self, invocation: Invocation) -> Parser:
        """Refuses: there is no stream to read.

        Raises:
            UsageError: Always.
        """
        raise UsageError(Problem("scripted-agent", f"agent '{invocation.agent}' is no program"))


def _session_id(invocation: Invocation) -> str:
    if invocation.resume is None or invocation.fork:
        return invocation.new_session_id
    return invocation.resume
