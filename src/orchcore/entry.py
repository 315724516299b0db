"""``run`` and ``run_sync``: the doors of the library; what is behind them loads on first use."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import overload

from orchcore.declarations.sources import Source
from orchcore.run_result import RunResult


@overload
async def run(
    target: Source[object] | None = None,
    /,
    *,
    params: Mapping[str, object] | None = ...,
    agent: str | None = ...,
    yes: bool = ...,
) -> RunResult: ...
@overload
async def run(
    target: str | None = None,
    /,
    *,
    orchfile: Path | str,
    params: Mapping[str, object] | None = ...,
    agent: str | None = ...,
    yes: bool = ...,
) -> RunResult: ...
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
        target: A declared node, whose module is the orchfile; beside *orchfile* what the command
            line takes (``"review"``, ``"review:codex"``); ``None`` runs everything.
        orchfile: A path; by default the nearest from the working directory upwards. A file that
            the program has imported is run as imported.
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


@overload
def run_sync(
    target: Source[object] | None = None,
    /,
    *,
    params: Mapping[str, object] | None = ...,
    agent: str | None = ...,
    yes: bool = ...,
) -> RunResult: ...
@overload
def run_sync(
    target: str | None = None,
    /,
    *,
    orchfile: Path | str,
    params: Mapping[str, object] | None = ...,
    agent: str | None = ...,
    yes: bool = ...,
) -> RunResult: ...
def run_sync(
    target: Source[object] | str | None = None,
    /,
    *,
    orchfile: Path | str | None = None,
    params: Mapping[str, object] | None = None,
    agent: str | None = None,
    yes: bool = False,
) -> RunResult:
    """The same as ``run`` for programs without an event loop.

    In the main thread, SIGINT and SIGTERM end the run in order, the second one in a hurry, the
    third at once. Afterwards the signal goes to whoever handled it before: ^C then raises
    ``KeyboardInterrupt`` here, and SIGTERM ends the program.

    Raises:
        OrchcoreError: As ``run``.
        KeyboardInterrupt: ^C; nothing is left running.

    Example:
        >>> run_sync("verdict", orchfile="flows/review.py", agent="demo").exit_code
        0
    """
    from orchcore.execution.control import Control
    from orchcore.execution.interrupting import interruptible
    from orchcore.execution.own_loop import run_in_own_loop
    from orchcore.pipeline import Wanted, run_wanted

    wanted = Wanted(target, orchfile, params or {}, agent, yes=yes)
    control = Control()
    ended_by: list[int] = []

    async def heeded() -> RunResult:
        with interruptible(control, ended_by):
            return await run_wanted(wanted, control)

    result = run_in_own_loop(heeded(), control)
    for number in ended_by[:1]:
        signal.raise_signal(number)
    return result
