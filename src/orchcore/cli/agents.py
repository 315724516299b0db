"""``agents``: which agent CLIs there are on this machine. No orchfile is imported."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

import click

from orchcore.agents.adapters.protocol import Adapter
from orchcore.cli.output import say, say_lines
from orchcore.config import AgentSettings, load_config


@click.command(
    "agents",
    help="""Show which agents there are: those orchcore knows and those of your configuration.

\b
An agent of your own, in pyproject.toml (or without tool.orchcore in orchcore.toml):
  [tool.orchcore.agents.fast]
  adapter = "claude"
  model = "haiku"
""",
)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def agents_command(as_json: bool) -> None:
    """Prints one line per agent."""
    from orchcore.agents.adapters.finder import find_adapters
    from orchcore.planning.drawing import columns

    settings = load_config(Path.cwd()).settings
    found = list(_agents(find_adapters(), settings.agents, os.environ.get("PATH")))
    if as_json:
        say(json.dumps({"schema_version": 1, "agents": found}, indent=2) + "\n")
        return
    rows = [("NAME", "ADAPTER", "PROGRAM", "CAPABILITIES"), *map(_row, found)]
    say_lines(columns(rows).splitlines())
    if settings.default_agent:
        say_lines([f"default: {settings.default_agent}"])


def _agents(
    adapters: Mapping[str, Adapter], named: Mapping[str, AgentSettings], path_env: str | None
) -> Iterator[dict[str, object]]:
    every = {name: AgentSettings() for name in adapters} | dict(named)
    for name, settings in every.items():
        kind = settings.adapter or name
        adapter = adapters.get(kind)
        yield _facts(name, kind, adapter, settings, path_env)


def _facts(
    name: str, kind: str, adapter: Adapter | None, settings: AgentSettings, path_env: str | None
) -> dict[str, object]:
    from orchcore.agents.adapters.finder import installed

    program = settings.program or (settings.argv[0] if settings.argv else "")
    program = program or (adapter.program if adapter else "")
    place = installed(adapter, path_env, program) if adapter else None
    abilities = asdict(adapter.capabilities) if adapter else {}
    return {
        "name": name,
        "adapter": kind,
        "known": adapter is not None,
        "program": program or None,
        "path": str(place) if place else None,
        "capabilities": [ability for ability, has in abilities.items() if has],
    }


def _row(facts: Mapping[str, object]) -> tuple[str, ...]:
    place = str(facts["path"] or "")
    if not facts["known"]:
        place = f"no adapter is called {facts['adapter']!r}"
    elif facts["program"] is None:
        place = "no program yet: give it argv=[...] in [tool.orchcore.agents.NAME]"
    elif not place:
        place = f"{facts['program']}: not installed"
    listed = ", ".join(cast("list[str]", facts["capabilities"]))
    return (str(facts["name"]), str(facts["adapter"]), place, listed)
