"""How long an end may take: tear-downs, and what bodies still do when they are cancelled."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

TEAR_DOWN_S = 20.0
HURRIED_S = 2.0


class Patience:
    """A limit for each wait and, once a run is to end, one for all of them together.

    Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._until = float("inf")
        self._shortened = set[asyncio.Future[None]]()

    def stop(self) -> None:
        """The run is to end: all waits together may last 20 s from now on."""
        self._shorten(TEAR_DOWN_S)

    def hurry(self) -> None:
        """They may last 2 s from now on, also those that go on already."""
        self._shorten(HURRIED_S)

    async def outlasts(self, tasks: Iterable[asyncio.Task[Any]]) -> bool:
        """Waits for *tasks*, 20 s or less; whether all of them are done."""
        left = tuple(tasks)
        until = time.monotonic() + TEAR_DOWN_S
        shortened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._shortened.add(shortened)
        try:
            while left := tuple(task for task in left if not task.done()):
                rest_s = min(until, self._until) - time.monotonic()
                if rest_s <= 0:
                    return False
                news = left if shortened.done() else [*left, shortened]
                await asyncio.wait(news, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED)
            return True
        finally:
            self._shortened.discard(shortened)

    def _shorten(self, limit_s: float) -> None:
        self._until = min(self._until, time.monotonic() + limit_s)
        for waiting in self._shortened:
            if not waiting.done():
                waiting.set_result(None)
