"""The loop of a run that is all its own."""

import asyncio
import time

from orchcore.execution.control import Control
from orchcore.execution.own_loop import LEAVING_S, run_in_own_loop


def test_a_task_that_never_ends_does_not_keep_the_program() -> None:
    """One that swallows every cancellation is left behind after a while."""
    swallowed = 0
    loops: list[asyncio.AbstractEventLoop] = []

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1

    async def main() -> int:
        loops.append(asyncio.get_running_loop())
        loops[0].create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        return 7

    began = time.monotonic()
    assert run_in_own_loop(main(), Control()) == 7
    assert swallowed == 1
    assert LEAVING_S - 0.1 < time.monotonic() - began < 10
    _end(loops[0])


def test_a_task_that_ends_late_is_waited_for() -> None:
    """Its clean-up is done when the program goes on."""
    cleaned: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            cleaned.append("up")

    async def main() -> None:
        asyncio.get_running_loop().create_task(tidy(), name="tidy")
        await asyncio.sleep(0)

    run_in_own_loop(main(), Control())
    assert cleaned == ["up"]


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Ends what a run has left behind in *loop*, which else the garbage collector complains of."""
    (left,) = asyncio.all_tasks(loop)
    left.cancel()
    loop.run_until_complete(left)
    loop.close()
