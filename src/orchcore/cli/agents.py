"""``agents``: which agent CLIs there are on this machine. No orchfile is imported."""

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from orchcore.agents.adapters.finder import find_adapters
from orchcore.cli.agent_facts import AgentFacts, facts_of_agents
from orchcore.cli.output import say, say_lines
from orchcore.cli.replaying import replay_command
from orchcore.config import Config, load_config
from orchcore.execution.secrecy import secrets_of_agents
from orchcore.reporting.masking import Mask


@click.group(
    "agents",
    invoke_without_command=True,
    help="""Show which agents there are: those orchcore knows and those of your configuration.

Of each its version and health (nothing is logged in, no model is asked), what it can do, its
settings with the place that says them, and the command that a turn would start.

\b
An agent of your own, in pyproject.toml (or without tool.orchcore in orchcore.toml):
  [tool.orchcore.agents.fast]
  adapter = "claude"
  model = "haiku"
""",
)
@click.option("--profile", metavar="NAME", help="With the settings of this profile.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_context
def agents_command(context: click.Context, profile: str | None, as_json: bool) -> None:
    """Prints what is known of every agent."""
    if context.invoked_subcommand is not None:
        return
    config = load_config(Path.cwd(), profile)
    found = facts_of_agents(config, dict(os.environ), Path.cwd())
    mask = Mask.of(secrets_of_agents(config, find_adapters(), os.environ).values)
    if as_json:
        told = {"schema_version": 1, "agents": [_json(one) for one in found]}
        say(json.dumps(mask.data(told)) + "\n")
        return
    say_lines(map(mask, _lines(found, config)))


agents_command.add_command(replay_command)


def _json(facts: AgentFacts) -> dict[str, Any]:
    named = {key: value for key, value in asdict(facts).items() if key != "adapter"}
    return {
        **named,
        "adapter": facts.kind,
        "known": facts.adapter is not None,
        "path": None if facts.path is None else str(facts.path),
        "capabilities": facts.capabilities,
    }


def _lines(found: Sequence[AgentFacts], config: Config) -> Iterator[str]:
    from orchcore.planning.drawing import columns

    head = ("AGENT", "ADAPTER", "VERSION", "HEALTH", "PROGRAM")
    yield from columns([head, *map(_row, found)]).splitlines()
    if config.settings.default_agent:
        yield f"default: {config.settings.default_agent} ({config.origin('default_agent')})"
    yield ""
    yield from columns(list(_matrix(found))).splitlines()
    for one in found:
        if one.path is not None or one.settings:
            yield ""
            yield from _block(one)


def _row(facts: AgentFacts) -> tuple[str, ...]:
    place = str(facts.path or "")
    return facts.name, facts.kind, facts.version or "", facts.health, place


def _matrix(found: Sequence[AgentFacts]) -> Iterator[tuple[str, ...]]:
    """What each adapter can do: a column for adapters, a row for abilities."""
    by_kind = {kind: next(same) for kind, same in groupby(sorted(found, key=_kind), _kind)}
    kinds = [one for one in by_kind.values() if one.capabilities]
    yield ("CAN", *(one.kind for one in kinds))
    for ability in kinds[0].capabilities if kinds else ():
        yield (ability, *(one.capabilities[ability] for one in kinds))


def _kind(facts: AgentFacts) -> str:
    return facts.kind


def _block(facts: AgentFacts) -> Iterator[str]:
    from orchcore.planning.drawing import columns

    yield f"{facts.name}:"
    if facts.argv:
        yield f"  {shlex.join(facts.argv)}{' < prompt' if facts.stdin else ''}"
    rows = [(f"{key} = {value}", origin) for key, value, origin in facts.settings]
    yield from (f"  {line}" for line in columns(rows).splitlines())
