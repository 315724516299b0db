"""``plan``, ``list`` and ``graph``: the orchfile is read, nothing is run."""

import os
from typing import cast

import click

from orchcore.cli.orchfile_command import OrchfileCommand, plan_of
from orchcore.cli.output import say
from orchcore.cli.shared_options import TARGETS, replacing, selecting


@click.command(
    "plan",
    cls=OrchfileCommand,
    help=f"""Show what `orchcore run` with the same words would do.

What a run would refuse is refused here, too: the agents must be installed.

\b
{TARGETS}

\b
Example:
  orchcore plan review --task "a login page"
""",
)
@selecting
@replacing
@click.pass_context
def plan_command(ctx: click.Context, /, **_: object) -> None:
    """Prints the table of decisions, if there could be a run."""
    from orchcore.agents.adapters.finder import find_adapters
    from orchcore.execution.fitness import ensure_agents
    from orchcore.planning.forecast import table

    plan = plan_of(ctx, complete=True)
    ensure_agents(plan, find_adapters(), os.environ)
    say(table(plan))


@click.command(
    "list",
    cls=OrchfileCommand,
    help=f"""List the phases of the orchfile, each with its agent and instances.

\b
{TARGETS}
""",
)
@selecting
@click.pass_context
def list_command(ctx: click.Context, /, **_: object) -> None:
    """Prints one line per phase."""
    from orchcore.planning.drawing import listing

    say(listing(plan_of(ctx, complete=False)))


@click.command(
    "graph",
    cls=OrchfileCommand,
    help=f"""Draw what waits for what.

\b
{TARGETS}

\b
Example:
  orchcore graph --format dot | dot -Tsvg > graph.svg
""",
)
@selecting
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "json"]),
    default="text",
    show_default=True,
    help="How it is drawn; the JSON form has a schema_version.",
)
@click.pass_context
def graph_command(ctx: click.Context, /, form: str, **_: object) -> None:
    """Prints the drawing."""
    from orchcore.planning.drawing import Format, draw

    say(draw(plan_of(ctx, complete=False), cast("Format", form)))
