"""How many agents work on this machine at once, over all runs, and whether it can bear another."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import psutil

from orchcore.execution.clock import Clock
from orchcore.journal.place_files import Places

LOOK_S = 0.1
LOW_SHARE, LOW_BYTES = 0.03, 256 * 2**20
"""Memory is nearly gone if less is available than the greater of the two."""
LONGEST_LOW_S = 60.0
"""For so long a run without a running agent waits for memory: nothing of its own frees any."""


def memory_is_low() -> bool:
    """Whether this machine's memory is nearly gone."""
    memory = psutil.virtual_memory()
    return memory.available < max(LOW_BYTES, LOW_SHARE * memory.total)


class Machine:
    """Lets agents start, in the order in which they come.

    Args:
        places: Those of this machine.
        most: How many agents may work at once.
        clock: Tells the time.
        warn: Told why somebody waits, each reason once.
        low: Whether memory is nearly gone.
    """

    def __init__(
        self,
        places: Places,
        most: int,
        clock: Clock,
        warn: Callable[[str], None],
        low: Callable[[], bool] = memory_is_low,
    ) -> None:
        self._places = places
        self._most = most
        self._clock = clock
        self._warn = warn
        self._low = low
        self._running = 0
        self._turn = asyncio.Lock()
        self._told: set[str] = set()

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """A place for one agent, held until the block is left."""
        async with self._turn:
            await self._until_memory()
            taken = await self._taken()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._places.give_back(taken)

    async def _taken(self) -> int:
        while (taken := self._places.take(self._most)) is None:
            self._tell(f"{self._most} agents work on this machine: others wait (max_agents)")
            await self._clock.sleep(LOOK_S)
        return taken

    async def _until_memory(self) -> None:
        waited_s = 0.0
        while self._low() and (self._running or waited_s < LONGEST_LOW_S):
            self._tell("memory is nearly gone: no further agent starts until there is more")
            await self._clock.sleep(LOOK_S)
            waited_s += LOOK_S

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)
