"""Ends what does not end by itself: bodies that are cut, tasks that they started and forgot."""

import asyncio
from collections.abc import Callable
from typing import Any

from orchcore.declarations.body import BODY
from orchcore.execution.patience import HURRIED_S, Patience

_EVERY_S = 0.02


class Janitor:
    """Cancels tasks, and reports those that were forgotten and those that do not end.

    A look at all tasks of the loop costs a fraction of a millisecond with a thousand of them, so
    it is made once in a while, for all bodies that ended meanwhile.

    Args:
        warn: Told the text and the node.
        patience: How long tasks may take to end.

    Attributes:
        left: Tasks that do not end, whatever is done.
    """

    def __init__(self, warn: Callable[[str, str], None], patience: Patience) -> None:
        self._warn = warn
        self._patience = patience
        self.left: set[asyncio.Task[Any]] = set()
        self._ended: dict[object, str] = {}
        self._forgetful: dict[object, str] = {}
        self._ending: set[asyncio.Task[Any]] = set()
        self._planned = False

    def body_ended(self, body: object, node: str) -> None:
        """The tasks that *body* of *node* started should be over now."""
        self._ended[body] = node
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(_EVERY_S, self._look)

    async def end(self, task: asyncio.Task[Any], node: str) -> None:
        """Cancels *task* of *node*, and once more when the patience with it has run out.

        Returns when it is over, or left behind.
        """
        task.cancel()
        if await self._patience.outlasts([task]):
            return
        self._warn("does not end although cancelled; again", node)
        task.cancel()
        await asyncio.wait([task], timeout=HURRIED_S)
        if not task.done():
            self._warn("left behind: it does not end although cancelled", node)
            self.left.add(task)

    async def finish(self) -> None:
        """Returns when no task of any ended body is left, or the patience has run out.

        What is cancelled may start something else in its clean-up: that is looked for, too.
        """
        self._look()
        while left := tuple(self._ending):
            if not await self._patience.outlasts(left):
                names = ", ".join(sorted(f"'{task.get_name()}'" for task in left))
                self._warn(f"left behind, they do not end although cancelled: tasks {names}", "")
                self.left.update(left)
                return
            await asyncio.sleep(0)  # done callbacks run: only what does not end is left
            self._look()

    def _look(self) -> None:
        self._planned = False
        self._ended |= self._forgetful
        for task in asyncio.all_tasks() - self.left:
            body = task.get_context().get(BODY)
            node = self._ended.get(body)
            if node is not None and task not in self._ending and not task.done():
                self._warn(f"task '{task.get_name()}' was left running and is cancelled", node)
                self._forgetful[body] = node
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                task.cancel()
        self._ended.clear()
