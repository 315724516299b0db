"""What is done once per run beside an agent's first turn, so that no turn waits for it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from pathlib import Path
from typing import Any

from orchcore.agents.pricing import load_prices
from orchcore.agents.versions import InstalledCli, fit, installed_version, tested_range
from orchcore.execution.choosing import Choice
from orchcore.execution.ports import Surroundings


class Preparations:
    """Asks each CLI of a run for its version, and loads the price list where one is needed.

    A CLI whose version its adapter was not tested with is warned of.

    Args:
        around: The environment and the trees.
        folder: Where the CLIs are started.
        warn: Told the text.
    """

    def __init__(self, around: Surroundings, folder: Path, warn: Callable[[str], None]) -> None:
        self._around = around
        self._folder = folder
        self._warn = warn
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, choice: Choice) -> None:
        """Starts what *choice* needs and what was not started before."""
        if choice.adapter.versions.oldest:
            program = choice.settings.program or choice.adapter.program
            self._once(f"version of {program}", lambda: self._check(choice))
        if choice.adapter.capabilities.money == "tokens" and choice.settings.prices is None:
            self._once("price list", lambda: asyncio.to_thread(load_prices))

    async def finish(self) -> None:
        """Ends what still goes on; processes are gone when it returns."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def _once(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if name not in self._tasks:
            # in a context of its own: who ends a body's tasks must not end this one
            loop = asyncio.get_running_loop()
            self._tasks[name] = loop.create_task(work(), name=name, context=Context())

    async def _check(self, choice: Choice) -> None:
        adapter, around = choice.adapter, self._around
        cli = InstalledCli(adapter, choice.settings.program, choice.env, choice.pass_env)
        version = await installed_version(cli, around.environ, around.trees, self._folder)
        how = fit(version, adapter.versions)
        if how in ("older", "newer"):
            tested = tested_range(adapter.versions)
            self._warn(
                f"{choice.name} {version} is {how} than what its adapter '{adapter.name}' "
                f"was tested with ({tested})"
            )
