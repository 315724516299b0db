"""Waits for a child to exit, whoever else still holds its pipes."""

import asyncio
from asyncio.subprocess import Process


async def exited(
    process: Process, within_s: float | None = None, look_s: float = 0.02
) -> int | None:
    """The exit code of *process*; ``None`` if it has none within *within_s* seconds.

    Args:
        process: A child.
        within_s: ``None``: without end.
        look_s: Pause between two looks.

    ``Process.wait`` of Python 3.12 also waits for the end of its pipes, which a child of the child
    may hold open.
    """
    clock = asyncio.get_running_loop().time
    until_s = None if within_s is None else clock() + within_s
    while process.returncode is None:
        if until_s is not None and clock() >= until_s:
            return None
        await asyncio.sleep(look_s)
    return process.returncode
