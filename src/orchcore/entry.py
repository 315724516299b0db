"""``run`` and ``run_sync``: the doors of the library; what is behind them loads on first use."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from orchcore.declarations.sources import Source
from orchcore.run_result import RunResult


async def run(
    target: Source[object] | str | None = None,
    /,
    *,
    orchfile: Path | str | None = None,
    params: Mapping[str, object] | None = None,
    agent: str | None = None,
    yes: bool = False,
) -> RunResult:
    """Runs an orchfile, or one node of it with what that needs.

    Args:
        target: A declared node, or what the command line takes; ``None`` runs everything.
        orchfile: Its path; by default the module that declares *target*, else the nearest from
            the working directory upwards.
        params: Values of the run's parameters.
        agent: Replaces every agent's name.
        yes: Answers every approval with yes; without it, runs with one end paused.

    Raises:
        OrchcoreError: The orchfile, the parameters or the configuration are wrong.
        asyncio.CancelledError: Cancelled; nothing is left running.

    Example:
        >>> result = await run(verdict, params={"task": "add a login page"}, agent="demo")
        >>> result.value(verdict)
    """
    from orchcore.pipeline import Wanted, run_wanted

    return await run_wanted(Wanted(target, orchfile, params or {}, agent, yes=yes))


def run_sync(
    target: Source[object] | str | None = None,
    /,
    *,
    orchfile: Path | str | None = None,
    params: Mapping[str, object] | None = None,
    agent: str | None = None,
    yes: bool = False,
) -> RunResult:
    """The same as ``run`` for programs without an event loop; ^C ends the run in order."""
    return asyncio.run(run(target, orchfile=orchfile, params=params, agent=agent, yes=yes))
