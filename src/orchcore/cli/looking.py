"""``plan``, ``list`` and ``graph``: the orchfile is read, nothing is run."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

import click

from orchcore.cli.going_on import going_on, rulings_of
from orchcore.cli.orchfile_command import OrchfileCommand, plan_of
from orchcore.cli.output import say, say_lines
from orchcore.cli.shared_options import TARGETS, replacing, selecting
from orchcore.planning.plan import Plan


@click.command(
    "plan",
    cls=OrchfileCommand,
    help=f"""Show what `orchcore run` with the same words would do.

What a run would refuse is refused here, too: the agents must be installed.

\b
{TARGETS}

\b
Examples:
  orchcore plan review --task "a login page"
  orchcore plan --resume 7f3c            what resuming would reuse, run or ask, and why
""",
)
@selecting
@replacing
@click.option(
    "--resume", metavar="RUN", help="What `orchcore resume RUN` would do; its words are known."
)
@going_on(hidden=True)
@click.pass_context
def plan_command(ctx: click.Context, /, **_: object) -> None:
    """Prints the table of decisions, if there could be a run."""
    from orchcore.agents.adapters.finder import find_adapters
    from orchcore.execution.fitness import ensure_agents
    from orchcore.planning.forecast import table

    plan = plan_of(ctx, complete=True)
    if ctx.params["resume"] is not None:
        say_lines(_resuming(plan, ctx.params))
        return
    ensure_agents(plan, find_adapters(), os.environ)
    say(table(plan, _cached(plan)))


def _cached(plan: Plan) -> dict[str, str]:
    """Where results of other runs are that would be used, by node, if all of it is there."""
    import asyncio

    from orchcore.pipeline import foreseen

    if not any(node.options.cache_s for node in plan.nodes):
        return {}
    found = asyncio.run(foreseen(plan, None))
    runs = {one.node.partition(":")[0] for one in found if one.action != "REUSE"}
    reasons = {one.node.partition(":")[0]: one.reason for one in reversed(found)}
    return {node: reason for node, reason in reasons.items() if node not in runs}


def _resuming(plan: Plan, params: Mapping[str, Any]) -> Iterator[str]:
    """A line for each node and instance: what would happen to it, why, what it cost before."""
    import asyncio

    from orchcore.cli.recorded import project_at
    from orchcore.cli.run_records import mask_of
    from orchcore.journal.reader import read_run
    from orchcore.pipeline import foreseen
    from orchcore.planning.drawing import columns
    from orchcore.reporting.sanitize import clean_line

    run = params["resume"]
    cached = not params["no_cache"]
    found = asyncio.run(foreseen(plan, run, rulings_of(params), cached=cached))
    mask = mask_of(read_run(project_at(str(plan.orchfile)).find_run(run)), os.environ)
    rows = [
        (one.action, one.node, clean_line(mask(one.reason)), _price(one.cost_usd)) for one in found
    ]
    again = [one for one in found if one.action == "RUN"]
    known = [one.cost_usd for one in again if one.cost_usd is not None]
    runs = sum(one.costs or one.cost_usd is not None for one in again)
    price = _price(sum(known)) if known else "unknown"
    missing = f", {runs - len(known)} of them unknown" if 0 < len(known) < runs else ""
    likely = f"likely cost of the {runs} with agents that run: {price}{missing}"
    likely = likely if runs else "nothing that runs costs anything" if again else "nothing runs"
    yield from (*columns(rows).splitlines(), "", likely)


def _price(usd: float | None) -> str:
    return "" if usd is None else f"${usd:.2f}"


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
