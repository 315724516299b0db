"""The handle with which a body talks to an agent: declared here, implemented by execution."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack, overload

from orchcore.events import AgentEvent
from orchcore.policies import Duration, Permission
from orchcore.results import Turn

type Names = list[str] | tuple[str, ...]
"""Not ``Sequence[str]``: ``tools="Read"`` must be refused."""


class TurnOptions(TypedDict, total=False):
    """What ``ai.using`` may change for another conversation."""

    model: str
    permission: Permission
    tools: Names
    cwd: str | os.PathLike[str]
    timeout: Duration
    idle: Duration
    budget: float
    env: Mapping[str, str]


class Agent(Protocol):
    """A conversation with one agent CLI.

    Example:
        >>> @agent("claude")
        ... async def plan(ai: Agent, task: str = param()) -> Plan:
        ...     return await ai.ask(f"Plan: {task}", Plan)
    """

    @overload
    async def ask(self, prompt: str, /) -> str: ...
    @overload
    async def ask[T](self, prompt: str, result: type[T], /) -> T: ...
    async def ask(self, prompt: str, result: Any = str, /) -> Any:
        """Runs one turn and gives its validated answer.

        Args:
            prompt: What the agent is told.
            result: The answer's type: anything pydantic can validate. An answer that is not
                valid is asked again in the same conversation, with the error.

        Raises:
            TurnFailed: The turn gave no valid answer; ``.failure`` says why.
            OrchcoreError: Another ``ask`` is running on this handle.
        """
        ...

    def stream(self, prompt: str, /) -> AsyncIterator[AgentEvent]:
        """Runs one turn and gives its events as they happen; afterwards see ``last``.

        Raises:
            TurnFailed: At the end, if the turn failed.
        """
        ...

    def fork(self) -> Agent:
        """A new conversation that begins as a copy of this one."""
        ...

    def using(self, name: str | None = None, /, **options: Unpack[TurnOptions]) -> Agent:
        """Another, new conversation: with agent *name*, or this agent and other *options*."""
        ...

    @property
    def name(self) -> str:
        """The agent's configured name: ``codex``."""
        ...

    @property
    def feedback(self) -> str | None:
        """The comment of a gate that asked for a revision."""
        ...

    @property
    def last(self) -> Turn:
        """The last finished turn.

        Raises:
            OrchcoreError: No turn has finished yet.
        """
        ...

    @property
    def cwd(self) -> Path:
        """The agent's working directory, absolute."""
        ...
