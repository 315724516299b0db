"""A program that uses orchcore as a library; ``library_program.py HOW FOLDER...``.

Says in one JSON line how it went, and stays until its stdin is closed.
"""

# ruff: noqa: ASYNC110  files are what it waits for

import asyncio
import json
import sys
from pathlib import Path

import orchcore


async def cancelled(folder: Path) -> dict[str, object]:
    """One run, cut off by a timeout as soon as its three agents work."""
    how = "returned"
    try:
        async with asyncio.timeout(None) as limit:
            async with asyncio.TaskGroup() as group:
                group.create_task(expire(limit, folder))
                await orchcore.run(orchfile=folder / "orchfile.py")
    except TimeoutError:
        how = "timed out"
    return {"how": how, "pending": pending()}


async def expire(limit: asyncio.Timeout, folder: Path) -> None:
    while len(list((folder / "ready").glob("*"))) < 3:
        await asyncio.sleep(0.02)
    limit.reschedule(asyncio.get_running_loop().time())
    await asyncio.Event().wait()


async def two(first: Path, second: Path) -> dict[str, object]:
    """Two runs in one loop; the first is cancelled, the second goes on and passes."""
    doomed = asyncio.create_task(orchcore.run(orchfile=first / "orchfile.py"))
    other = asyncio.create_task(orchcore.run(orchfile=second / "orchfile.py"))
    while len(list((first / "ready").glob("*"))) < 3:
        await asyncio.sleep(0.02)
    doomed.cancel()
    await asyncio.wait([doomed])
    went_on = not other.done()
    result = await other
    return {
        "cancelled": doomed.cancelled(),
        "went_on": went_on,
        "states": dict(result.states),
        "pending": pending(),
    }


def sync(folder: Path) -> dict[str, object]:
    """``run_sync``, which ^C ends."""
    try:
        orchcore.run_sync(orchfile=folder / "orchfile.py")
    except KeyboardInterrupt:
        return {"how": "interrupted"}
    return {"how": "returned"}


def pending() -> list[str]:
    """All tasks but the caller's own."""
    return [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]


def main() -> None:
    how, *folders = sys.argv[1:]
    paths = [Path(folder) for folder in folders]
    match how:
        case "sync":
            told = sync(*paths)
        case "two":
            told = asyncio.run(two(*paths))
        case _:
            told = asyncio.run(cancelled(*paths))
    print(json.dumps(told), flush=True)
    sys.stdin.read()


main()
