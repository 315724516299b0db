"""Waiting for what must come to its end although the waiter is cancelled."""

import asyncio
from typing import Any


def cut_short() -> bool:
    """Whether the running task was told to end, also if it did not heed that.

    Not by a time-out within it that is over: those take their cancellation back.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def finished(*futures: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Returns when all *futures* are done, whatever happens to the caller meanwhile.

    Returns:
        The last cancellation that came meanwhile, to be raised once everything is in order.
    """
    cancelled: asyncio.CancelledError | None = None
    while pending := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
