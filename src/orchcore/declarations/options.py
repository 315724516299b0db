"""The options that decorators take, typed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, TypedDict

from orchcore.declarations.agent import Names
from orchcore.declarations.sources import Condition, Source
from orchcore.policies import Duration, Permission


class PhaseOptions(TypedDict, total=False):
    """Options of every node and step.

    Attributes:
        name: Its id, where no assigned name exists.
        when: Runs only if this holds; a bool is meant for ``param()``.
        after: Starts after these, without their values.
        retries: Further attempts after a transient failure of an agent or command.
        timeout: Wall time of one attempt.
        tags: For ``-t TAG``.
        optional: Its failure is reported and does not fail the run.
        limits: Named limits that its turns and commands take: ``{"gpu": 1}`` is one at a time.
        recovery: ``"halt"``: once begun it runs again only if a person says so.
        budget: USD that all of its turns may cost together.
        estimate_usd: What one of its turns likely costs; what such turns cost counts if it is more.
        cache: Later runs use its result for so long (7 days if ``True``), if nothing has changed.
    """

    name: str
    when: Condition | bool
    after: list[Source[object]] | tuple[Source[object], ...]
    retries: int
    timeout: Duration
    tags: Names
    optional: bool
    limits: Mapping[str, int]
    cache: bool | Duration
    budget: float
    estimate_usd: float
    recovery: Literal["rerun", "halt"]


class AgentOptions(PhaseOptions, total=False):
    """Options of nodes and steps that have an agent.

    Attributes:
        model: As the CLI takes it.
        permission: ``"read-only"`` (default), ``"edit"`` or ``"full"``.
        tools: The only tools the agent may use.
        idle: Silence after which a turn counts as stalled.
        env: Extra variables of the agent's process.
        pass_env: Names of variables it gets from ours.
        cwd: Its working directory.
        reasks: How often an invalid answer is asked again (2).
        max_turns: Model turns within one CLI call.
        max_tool_calls: Tool calls within one CLI call; the next one ends the turn.
        on_rate_limit: ``"wait"`` until the limit is lifted, ``"fail"``, or ``"fallback"``.
        rate_limit_max_wait: How long a turn waits for limits, all together (6 h).
        fallback: Names of agents that stand in while its own is limited, in their order.
    """

    model: str
    permission: Permission
    tools: Names
    idle: Duration
    env: Mapping[str, str]
    pass_env: Names
    cwd: str | os.PathLike[str]
    reasks: int
    max_turns: int
    max_tool_calls: int
    fallback: Names
    on_rate_limit: Literal["wait", "fallback", "fail"]
    rate_limit_max_wait: Duration


class FanOptions(TypedDict, total=False):
    """Options beside ``parallel=``.

    Attributes:
        quorum: The node passes if this many instances do.
        fail_fast: The first failed instance cancels its siblings.
        cross: Several ``each`` multiply instead of pairing up.
    """

    quorum: int
    fail_fast: bool
    cross: bool


class PhaseFanOptions(PhaseOptions, FanOptions, total=False):
    """Options of ``@phase(parallel=...)``."""


class AgentFanOptions(AgentOptions, FanOptions, total=False):
    """Options of ``@agent(parallel=...)``."""
