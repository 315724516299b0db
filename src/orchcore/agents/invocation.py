"""The frozen request for one turn, and the seam behind which it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchcore.events import AgentEvent
from orchcore.policies import Permission, TurnLimits
from orchcore.results import TurnResult, Usage


@dataclass(frozen=True, slots=True)
class Invocation:
    """Everything one turn of an agent CLI needs.

    Attributes:
        agent: The configured name (``claude``), for people.
        adapter: The adapter's name (``claude``, ``text``, ``demo``).
        prompt: What the agent is told, schema instructions included where the CLI has no flag.
        cwd: The agent's working directory, absolute.
        folder: This turn's own folder, absolute and existing; transcripts go there.
        session_folder: A folder shared by all turns of the run, for adapters that keep sessions.
        program: Replaces the adapter's program name, where configured.
        model: As requested; ``None`` leaves it to the CLI.
        permission: What the agent may do to files and shell.
        tools: The only tools it may use; ``None`` leaves it to the permission.
        resume: Id of the conversation that goes on; ``None`` starts a new one.
        resume_cwd: Where the conversation *resume* was held; ``None`` if that is not known.
        fork: Whether *resume* is branched instead of continued.
        new_session_id: A UUID for the conversation (new or forked), for CLIs that take one.
        schema: JSON schema of the answer; ``None`` for plain text.
        args: Extra arguments, placed before the prompt.
        argv: The ``text`` adapter's template; the agent's command line for ``acp``.
        env: Extra variables of the child, after the environment policy.
        pass_env: Names of variables that are passed on from ours.
        hermetic: Whether the CLI is kept from reading the user's own configuration of it.
        spent_before: Tokens of this conversation's turns before this one, for CLIs that report
            sums over a session; ``None`` if that is not known.
        limits: Time and output limits.
        marker: What its processes bear, so that others can end them; empty: any.
    """

    agent: str
    adapter: str
    prompt: str
    cwd: Path
    folder: Path
    session_folder: Path
    new_session_id: str
    program: str | None = None
    model: str | None = None
    permission: Permission = "read-only"
    tools: tuple[str, ...] | None = None
    resume: str | None = None
    resume_cwd: Path | None = None
    fork: bool = False
    schema: Mapping[str, object] | None = None
    args: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    pass_env: tuple[str, ...] = ()
    hermetic: bool = False
    spent_before: Usage | None = None
    limits: TurnLimits = field(default_factory=TurnLimits)
    marker: str = ""


type Listener = Callable[[AgentEvent], None]


class TurnRunner(Protocol):
    """Runs one turn somewhere: here as a child process, later on another machine."""

    async def run(self, invocation: Invocation, listener: Listener) -> TurnResult:
        """Runs *invocation* to its end.

        Args:
            invocation: The request.
            listener: Told every event as it is read; must be quick and must not raise.

        Returns:
            What it came to. A failed agent is a result with a ``failure``, not an exception.

        Raises:
            asyncio.CancelledError: Cancelled; the agent's whole tree is gone by then.
        """
        ...
