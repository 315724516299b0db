"""Ends what bodies leave running: tasks that were started and forgotten."""

import asyncio
from collections.abc import Callable
from typing import Any

from orchcore.declarations.body import BODY
from orchcore.execution.patience import Patience

_EVERY_S = 0.02


class Janitor:
    """Cancels and reports forgotten tasks, many bodies at a time.

    A look at all tasks of the loop costs a fraction of a millisecond with a thousand of them, so
    it is made once in a while, for all bodies that ended meanwhile.

    Args:
        warn: Told the text and the node.
    """

    def __init__(self, warn: Callable[[str, str], None]) -> None:
        self._warn = warn
        self._ended: dict[object, str] = {}
        self._ending: set[asyncio.Task[Any]] = set()
        self._planned = False

    def body_ended(self, body: object, node: str) -> None:
        """The tasks that *body* of *node* started should be over now."""
        self._ended[body] = node
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(_EVERY_S, self._look)

    async def finish(self, patience: Patience) -> None:
        """Returns when no task of any ended body is left, or *patience* has run out."""
        self._look()
        if not await patience.outlasts(self._ending):
            names = ", ".join(sorted(f"'{task.get_name()}'" for task in self._ending))
            self._warn(f"left behind, they do not end although cancelled: tasks {names}", "")

    def _look(self) -> None:
        self._planned = False
        for task in asyncio.all_tasks():
            node = self._ended.get(task.get_context().get(BODY))
            if node is not None and task not in self._ending and not task.done():
                self._warn(f"task '{task.get_name()}' was left running and is cancelled", node)
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                task.cancel()
        self._ended.clear()
