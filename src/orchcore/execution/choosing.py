"""Which agent a turn goes to, with which options."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from orchcore.agents.adapters.protocol import Adapter, Capabilities
from orchcore.agents.pricing import Prices
from orchcore.config import AgentSettings, Config
from orchcore.errors import Problem, UsageError, did_you_mean
from orchcore.execution.abilities import (
    HERMETIC,
    MAX_TOOL_CALLS,
    MAX_TURNS,
    TOOLS,
    Ability,
    held_to,
    lacking,
)
from orchcore.planning.options import using_options
from orchcore.planning.plan import NodeOptions, Plan
from orchcore.policies import Permission, TurnLimits


@dataclass(frozen=True, slots=True)
class Choice:
    """An agent and how it is used in one conversation.

    Attributes:
        name: The configured name.
        adapter: Which adapter reads it.
        settings: Its configuration.
        options: What the node, the step or ``ai.using`` said.
        cwd: Absolute.
    """

    name: str
    adapter: Adapter
    settings: AgentSettings
    options: NodeOptions
    cwd: Path
    model: str | None = None
    permission: Permission = "read-only"
    tools: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    pass_env: tuple[str, ...] = ()
    slots: Mapping[str, int] = field(default_factory=dict[str, int])
    limits: TurnLimits = field(default_factory=TurnLimits)
    reasks: int = 2

    @property
    def account(self) -> str:
        """Whose limits its turns share."""
        return self.settings.adapter or self.name

    def limited_as(self, environ: Mapping[str, str]) -> str:
        """Whose rate limits its turns share: an account, as far as that can be told.

        No credential file is read: who is logged in by one shares the limits of all such.
        """
        if self.settings.account is not None:
            return self.settings.account
        known = {**environ, **self.env}
        login = [(name, known[name]) for name in sorted(self.adapter.login_env) if name in known]
        kind = self.settings.adapter or self.name
        return f"{kind} {sha256(json.dumps(login).encode()).hexdigest()[:16]}" if login else kind

    @property
    def prices(self) -> Prices | None:
        """The user's own prices."""
        own = self.settings.prices
        return None if own is None else Prices(own.input, own.output, own.cached_input)


class AgentBook:
    """The agents of a run: configuration, adapters, and what ``--agent`` says.

    Args:
        plan: For the default agent, the overrides and the project's folder.
        adapters: Adapters by name.
    """

    def __init__(self, plan: Plan, adapters: Mapping[str, Adapter]) -> None:
        self._plan = plan
        self._adapters = adapters
        self._found: dict[str, tuple[Adapter, AgentSettings]] = {}

    def name_for(self, asked: object) -> str:
        """The agent to use where *asked* is named, or none.

        Raises:
            UsageError: Nothing says which agent, or what does is no name.
        """
        name = self._plan.agent or asked or self._plan.config.settings.default_agent
        if name is None:
            raise UsageError(no_agent(self._adapters))
        if not isinstance(name, str):
            raise UsageError(Problem("option", f"the agent's name is {name!r}, which is no text"))
        return name

    def adapter_of(self, name: str) -> tuple[Adapter, AgentSettings]:
        """Adapter and settings of the agent called *name*.

        Raises:
            UsageError: No such agent or adapter.
        """
        if name not in self._found:
            settings = self._plan.config.agent(name)
            adapter = self._adapters.get(settings.adapter or name)
            if adapter is None:
                raise UsageError(_unknown(name, settings, self._adapters, self._plan.config))
            self._found[name] = adapter, settings
        return self._found[name]

    def choice(self, name: str, options: NodeOptions, model: object, cwd: object) -> Choice:
        """The agent called *name*, used as *options* say.

        Args:
            name: From ``name_for``.
            options: Of the node or step.
            model: Resolved model, or ``None``.
            cwd: Resolved working directory, or ``None``.

        Raises:
            UsageError: No such agent, or it cannot do what *options* ask of it.
        """
        adapter, settings = self.adapter_of(name)
        own_model = str(model) if model is not None else None
        permission = options.permission or settings.permission or "read-only"
        self.ensure(name, _abilities(options, permission, hermetic=settings.hermetic))
        return Choice(
            name,
            adapter,
            settings,
            options,
            self.folder(cwd),
            self._plan.model or own_model or settings.model,
            permission,
            options.tools,
            {**settings.env, **options.env},
            (*settings.pass_env, *options.pass_env),
            options.limits,
            _limits(options, settings),
            options.reasks,
        )

    def ensure(self, name: str, asked: Iterable[Ability]) -> None:
        """Refuses the agent called *name* if it cannot do all that is asked.

        Raises:
            UsageError: No such agent, or what it cannot do (``unsupported-option``).
        """
        able = self.adapter_of(name)[0].capabilities
        asked = [ability for ability in asked if not ability.held(able)]
        if not asked:
            return
        if problems := tuple(lacking(name, able, asked, self._able())):
            raise UsageError(*problems)

    def _able(self) -> Mapping[str, Capabilities]:
        """What every agent that can be named can do."""
        configured = self._plan.config.settings.agents
        adapters = {name: configured[name].adapter or name for name in configured}
        return {
            name: self._adapters[adapter].capabilities
            for name, adapter in ({name: name for name in self._adapters} | adapters).items()
            if name != "text" and adapter in self._adapters
        }

    def changed(self, choice: Choice, name: str | None, options: Mapping[str, Any]) -> Choice:
        """The choice of ``ai.using(name, **options)``.

        Raises:
            OrchcoreError: An option is unknown, wrong, or not available yet.
        """
        said = using_options(choice.options, options)
        new = choice.name if name is None else self.name_for(name)
        # a model is one agent's: another one has its own default
        model = options.get("model", choice.model if new == choice.name else None)
        if "cwd" in options:
            return self.choice(new, said, model, options["cwd"])
        return replace(self.choice(new, said, model, None), cwd=choice.cwd)

    def folder(self, path: object) -> Path:
        """*path* below the project's folder; the project's folder for ``None``.

        Raises:
            UsageError: It is no path.
        """
        if path is None:
            return self._plan.folder
        if not isinstance(path, str | os.PathLike):
            raise UsageError(Problem("option", f"cwd={path!r} is no path"))
        return (self._plan.folder / os.fspath(cast("str | os.PathLike[str]", path))).resolve()


def _abilities(
    options: NodeOptions, permission: Permission, *, hermetic: bool
) -> Iterator[Ability]:
    """What *options* and configuration ask of an agent."""
    yield held_to(permission)
    if hermetic:
        yield HERMETIC
    if options.tools is not None:
        yield TOOLS
    if options.max_turns is not None:
        yield MAX_TURNS
    if options.max_tool_calls is not None:
        yield MAX_TOOL_CALLS


def _limits(options: NodeOptions, settings: AgentSettings) -> TurnLimits:
    standard = TurnLimits()
    idle_s = _first(options.idle_s, settings.idle, standard.idle_s)
    return replace(
        standard,
        idle_s=idle_s,
        tool_idle_s=max(idle_s, standard.tool_idle_s) if options.idle_s is None else idle_s,
        timeout_s=_first(options.timeout_s, settings.timeout, standard.timeout_s),
        max_turns=options.max_turns,
        max_tool_calls=options.max_tool_calls,
    )


def _first(said: float | None, configured: float | None, standard: float) -> float:
    """What was said first; 0 is a thing to say."""
    if said is not None:
        return said
    return standard if configured is None else configured


def no_agent(adapters: Mapping[str, Adapter]) -> Problem:
    """Nothing says which agent to use: the error that lists what is installed."""
    from orchcore.agents.adapters.finder import installed

    path = os.environ.get("PATH", os.defpath)
    found = sorted(
        name
        for name, adapter in adapters.items()
        if adapter.program
        and not adapter.capabilities.simulated
        and installed(adapter, path) is not None
    )
    listed = f"installed here: {', '.join(found)}" if found else "no agent CLI is installed here"
    hints: tuple[str, ...] = ("try it without a model, simulated:   --agent demo",)
    if found:
        hints = (
            f"choose one for this run:   --agent {found[0]}",
            f'or for the project, in orchcore.toml:   default_agent = "{found[0]}"',
            f"or {hints[0]}",
        )
    else:
        hints = (*hints, "or install one, such as Claude Code; see   orchcore agents")
    return Problem("no-agent", f"no agent is chosen ({listed})", None, hints)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _unknown(
    name: str, settings: AgentSettings, adapters: Mapping[str, Adapter], config: Config
) -> Problem:
    if settings.adapter is not None:
        message = f"agent '{name}' has an unknown adapter '{settings.adapter}'"
        return Problem("unknown-adapter", message, None, did_you_mean(settings.adapter, adapters))
    if name in config.settings.agents:
        message = f"agent '{name}' names no adapter, and none is called '{name}'"
        return Problem("unknown-adapter", message, None, (f"adapter = ...: {_listed(adapters)}",))
    known = {*adapters, *config.settings.agents} - {"text"}
    return Problem("unknown-agent", f"no agent is called '{name}'", None, did_you_mean(name, known))
