"""What is known of the agents of this machine and of a configuration, without logging in."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchcore.agents.adapters.finder import adapter_raised, find_adapters, installed, lacking
from orchcore.agents.adapters.protocol import Adapter, Capabilities, Launch
from orchcore.agents.invocation import Invocation
from orchcore.agents.tree import Trees
from orchcore.agents.versions import InstalledCli, fit, installed_version, tested_range
from orchcore.config import AgentSettings, Config
from orchcore.errors import UsageError
from orchcore.policies import TurnLimits


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """One agent.

    Attributes:
        name: As orchfiles name it.
        kind: Its adapter's name.
        adapter: Its adapter; ``None`` if there is none of that name.
        program: What is started; ``None`` if nothing says.
        path: Where that is installed.
        version: The version it printed.
        tested: The versions its adapter was tested with.
        health: ``ok``, or what is wrong.
        argv: What a turn would start, read-only unless configured otherwise.
        stdin: Whether the prompt goes to its stdin.
        settings: Key, value and origin of each setting.
    """

    name: str
    kind: str
    adapter: Adapter | None
    program: str | None
    path: Path | None = None
    version: str | None = None
    tested: str = ""
    health: str = ""
    argv: tuple[str, ...] = ()
    stdin: bool = False
    settings: tuple[tuple[str, str, str], ...] = field(default=())

    @property
    def capabilities(self) -> dict[str, str]:
        """What its adapter can do, in words."""
        return {} if self.adapter is None else abilities(self.adapter.capabilities)


def abilities(able: Capabilities) -> dict[str, str]:
    """*able* in words, by ability."""
    return {
        "resume": _yes(able.resume),
        "resume elsewhere": _yes(able.resume_elsewhere),
        "fork": _yes(able.fork),
        "schema": "flag" if able.schema else "in the prompt",
        "tools": _yes(able.tools),
        "permissions": _permissions(able),
        "session id": "chosen" if able.chosen_session_id else "its own",
        "max_turns": _yes(able.max_turns),
        "max_tool_calls": _yes(able.tool_calls),
        "hermetic": _yes(able.hermetic),
        "prompt": "stdin" if able.stdin else "argument",
        "usage": "as it works" if able.usage_streams else "at the end",
        "price": {"usd": "told", "tokens": "by tokens", "nothing": "unknown"}[able.money],
        "simulated": _yes(able.simulated),
    }


def facts_of_agents(config: Config, environ: Mapping[str, str], cwd: Path) -> list[AgentFacts]:
    """Every known and configured agent; installed CLIs are started once, for their version.

    Args:
        config: The configuration.
        environ: Our environment.
        cwd: Where CLIs are started.
    """
    adapters = find_adapters()
    every = {name: config.agent(name) for name in (*adapters, *config.settings.agents)}
    found = [
        _facts(name, settings, adapters.get(settings.adapter or name), environ)
        for name, settings in every.items()
    ]
    versions = asyncio.run(_versions(found, every, environ, cwd))
    return [
        replace(
            one,
            version=version,
            health=one.health or _health(one, version),
            settings=tuple(_settings(config, one.name)),
        )
        for one, version in zip(found, versions, strict=True)
    ]


async def _versions(
    found: list[AgentFacts],
    settings: Mapping[str, AgentSettings],
    environ: Mapping[str, str],
    cwd: Path,
) -> list[str | None]:
    trees = Trees()

    async def version(one: AgentFacts) -> str | None:
        if one.adapter is None or one.path is None:
            return None
        own = settings[one.name]
        cli = InstalledCli(one.adapter, own.program, own.env, own.pass_env)
        return await installed_version(cli, environ, trees, cwd)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(version(one), name=f"version of {one.name}") for one in found]
    return [task.result() for task in tasks]


def _facts(
    name: str, settings: AgentSettings, adapter: Adapter | None, environ: Mapping[str, str]
) -> AgentFacts:
    kind = settings.adapter or name
    program = settings.program or (settings.argv[0] if settings.argv else "")
    program = program or (adapter.program if adapter else "")
    bare = AgentFacts(name, kind, adapter, program or None)
    if adapter is None:
        return replace(bare, health=f"no adapter is called {kind!r}")
    if not program:
        return replace(bare, health="no program yet: give it argv=[...]")
    path = installed(adapter, environ.get("PATH"), program)
    launch, trouble = _launch(name, settings, adapter)
    if (lacks := lacking(adapter)) is not None:
        trouble = f"{lacks.message}: {lacks.hints[0]}"
    if path is None:
        trouble = f"not installed: no {program!r} in PATH"
    return replace(
        bare,
        path=path,
        tested=tested_range(adapter.versions),
        health=trouble,
        argv=() if launch is None else launch.argv,
        stdin=launch is not None and bool(launch.stdin),
    )


def _launch(name: str, settings: AgentSettings, adapter: Adapter) -> tuple[Launch | None, str]:
    """The process that a turn would start, or why there is none."""
    turn = Path("TURN")
    asked = Invocation(
        agent=name,
        adapter=adapter.name,
        prompt="PROMPT",
        cwd=Path.cwd(),
        folder=turn,
        session_folder=turn,
        new_session_id="SESSION",
        program=settings.program,
        model=settings.model,
        permission=settings.permission or "read-only",
        args=settings.args,
        argv=settings.argv,
        hermetic=settings.hermetic,
        limits=TurnLimits(),
    )
    try:
        return adapter.command(asked), ""
    except UsageError as error:
        return None, "; ".join(problem.message for problem in error.problems)
    except Exception as error:  # noqa: BLE001  a stranger's adapter may raise anything
        problem = adapter_raised(adapter, error)
        return None, f"{problem.message} ({problem.where})"


def _health(facts: AgentFacts, version: str | None) -> str:
    if facts.adapter is None or not facts.adapter.versions.oldest:
        return "ok"
    if version is None:
        return f"does not tell its version: {facts.program} --version"
    how = fit(version, facts.adapter.versions)
    return "ok" if how == "tested" else f"{how} than tested ({facts.tested})"


def _settings(config: Config, name: str) -> Iterator[tuple[str, str, str]]:
    """What the configuration says of the agent called *name*; values of variables are left out."""
    settings = config.settings.agents.get(name)
    if settings is None:
        return
    for key, value in settings.model_dump(exclude_unset=True).items():
        shown = sorted(value) if key == "env" else value
        yield key, json.dumps(shown, ensure_ascii=False), config.origin("agents", name, key)


def _permissions(able: Capabilities) -> str:
    if not able.enforced:
        return "not enforced"
    return "all" if len(able.permissions) == 3 else ", ".join(able.permissions)


def _yes(can: bool) -> str:
    return "yes" if can else "-"
