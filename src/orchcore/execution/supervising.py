"""User code in a task of its own, so that it can be ended, and be left if it does not end.

User code may do anything to the task in which it runs: swallow a cancellation, cancel itself, or
leave its count of cancellations wrong, as ``asyncio.TaskGroup`` of Python 3.12 does after a failed
group. Who supervises is never touched by it: whether *that* task is being cancelled is the truth.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from orchcore.execution.shielding import finished

type End = Callable[[asyncio.Task[Any]], Coroutine[Any, Any, None]]
"""Ends a task, and returns in bounded time whether it heeds that or not."""


async def supervised[T](work: Coroutine[Any, Any, T], name: str, end: End) -> T:
    """What *work* comes to; if the caller is cancelled, it is ended first.

    Args:
        work: Runs in a copy of the caller's context.
        name: Of its task.
        end: How it is ended.

    Returns:
        What it gave, also if it was told to end and gave something all the same.

    Raises:
        asyncio.CancelledError: It was ended, was left, or was cancelled by its own code.
        BaseException: Whatever else it raised.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name=name)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await finished(loop.create_task(end(task), name=f"end of {name}"))
        if not task.done() or task.cancelled():
            raise
    return task.result()
