"""``run``: collect, plan, run, report."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import click

from orchcore.cli.going_on import going_on, rulings_of
from orchcore.cli.orchfile_command import OrchfileCommand, plan_of
from orchcore.cli.outcomes import INTERRUPTED
from orchcore.cli.output import outlive_readers, say_problems
from orchcore.cli.shared_options import TARGETS, OwnProcess, replacing, selecting
from orchcore.errors import Problem
from orchcore.execution.ports import Ruling
from orchcore.planning.plan import Plan

type Mode = Literal["auto", "tty", "plain", "json", "quiet"]

_PATIENCE_S, _INTERRUPTED_S = 30.0, 1.0
"""How long threads that bodies left behind may delay our end, also if we were interrupted."""

_CANCELLED = Problem(
    "cancelled",
    "the orchfile's own code has cancelled the run",
    None,
    ("a body may cancel tasks that it started itself, not all of asyncio.all_tasks()",),
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a run is to go on and to be shown.

    Attributes:
        fail_limit: Failed instances after which it is stopped; ``None``: never.
        yes: Whether every gate is answered yes.
        progress: Which display.
        verbose: Whether it shows what agents of passed phases wrote.
        resume: The run that goes on, if one does.
        rulings: What was decided of its phases that halt.
        cached: Whether results of other runs are used by phases that want it.
    """

    fail_limit: int | None
    yes: bool
    progress: Mode
    verbose: bool
    resume: str | None = None
    rulings: Mapping[str, Ruling] = field(default_factory=dict[str, Ruling])
    cached: bool = True


class RunCommand(OrchfileCommand):
    """An orchfile's command that starts processes."""

    def before_reading(self, ctx: click.Context) -> None:
        """Puts a keeper above us: as long as no import of an orchfile has started threads."""
        if isinstance(ctx.find_root().obj, OwnProcess):
            from orchcore.agents.keeper import guard
            from orchcore.agents.launching import raise_file_limit

            guard()
            raise_file_limit()


@click.command(
    "run",
    cls=RunCommand,
    help=f"""Run the orchfile, or the phases that TARGETs name.

\b
{TARGETS}

\b
Examples:
  orchcore run --task "a login page"
  orchcore run 'review:codex' -j 2 --agent demo
  orchcore run -k 'audit and not db' -x --progress plain
  orchcore run flows/release.py::publish --yes
""",
    epilog="\b\nExit codes: 0 passed, 1 failed, 2 interrupted, 3 internal error, 4 usage,\n"
    "5 nothing selected, 10 paused for approval, 11 budget exhausted,\n"
    "12 gave up waiting for a rate limit.",
)
@selecting
@replacing
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with this run: what it has paid for is not paid again. See orchcore resume.",
)
@going_on()
@click.pass_context
def run_command(
    ctx: click.Context, /, *, exitfirst: bool, maxfail: int | None, verbose: bool, **_: object
) -> int:
    """Runs the plan; gives the exit code."""
    plan = plan_of(ctx, complete=True)
    if ctx.params["strict_budget"] or plan.budget_usd is not None:
        _priced(plan, strict=ctx.params["strict_budget"])
    limit = 1 if exitfirst else maxfail
    params = ctx.params
    wishes = Wishes(
        fail_limit=limit,
        yes=params["yes"],
        progress=params["progress"],
        verbose=verbose,
        resume=params["resume"],
        rulings=rulings_of(params),
        cached=not params["no_cache"],
    )
    own = isinstance(ctx.find_root().obj, OwnProcess)
    if own:
        outlive_readers()
    return _run(plan, wishes, own=own)


def _priced(plan: Plan, *, strict: bool) -> None:
    """Warns of agents that a budget cannot count, or refuses them."""
    from orchcore.agents.adapters.finder import find_adapters
    from orchcore.execution.fitness import ensure_priced, unpriced

    if strict:
        ensure_priced(plan, find_adapters())
    say_problems(replace(problem, warning=True) for problem in unpriced(plan, find_adapters()))


def _run(plan: Plan, wishes: Wishes, *, own: bool) -> int:
    import asyncio

    from orchcore.cli.approving import approver_at
    from orchcore.cli.stopping import heeding_signals
    from orchcore.execution.control import Control
    from orchcore.execution.own_loop import run_in_own_loop
    from orchcore.pipeline import RunSetup, execute
    from orchcore.reporting.progress import choose, prints_of

    display = choose(wishes.progress, sys.stdout, sys.stderr, os.environ, verbose=wishes.verbose)
    if own and wishes.progress == "json":
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the display has its own duplicate
    told, shown = prints_of(display, sys.stdout, sys.stderr, os.environ)
    setup = RunSetup(
        observers=(display,),
        approver=approver_at(display),
        fail_limit=wishes.fail_limit,
        environ=dict(os.environ),
        yes=wishes.yes,
        resume=wishes.resume,
        rulings=wishes.rulings,
        cached=wishes.cached,
        told_prints=told,
        shown_prints=shown,
    )
    control = Control()

    async def watched() -> int:
        code = INTERRUPTED
        try:
            with heeding_signals(control, display):
                code = (await execute(plan, setup, control)).exit_code
        except asyncio.CancelledError:  # it has ended in order
            say_problems([_CANCELLED])
        if own:
            _leave(code, len(asyncio.all_tasks()) - 1, interrupted=control.interrupted)
        return code

    return run_in_own_loop(watched(), control)


def _leave(code: int, tasks: int, *, interrupted: bool) -> None:
    """The run is over: we end with *code*, at once if there are *tasks* that nothing ends."""
    from orchcore.agents.keeper import report
    from orchcore.cli.leaving import leave_soon

    report(code)
    patience_s = _INTERRUPTED_S if interrupted else _PATIENCE_S
    leave_soon(code, 0.0 if tasks else patience_s)
