"""Living process trees: looked at together, ended one by one or all at once.

The rules (which process belongs to which tree: ``claims.py``):

1. Ending: look, SIGTERM, bounded wait, SIGKILL, bounded wait; every step begins with a new look,
   since a dying process may start others. What is left then is recorded in ``leftovers``.
2. One look serves all trees. Who asks while one is being taken waits for the next, together with
   all others who asked meanwhile. It is taken in a thread.
3. Only the roots are our own children, and asyncio waits for them. Zombies of adopted members
   are reaped here, each by its number.
"""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from orchcore.agents.claims import Orphans, Tree
from orchcore.agents.guard import Guard
from orchcore.agents.process_table import (
    Identity,
    ProcessEntry,
    ProcessTable,
    TableReader,
    command_line,
    send,
)

KILL_WAIT_S = 2.0
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.1
# Between looks there is a rest of three times what the last one took, within these bounds: the
# ends of 50 turns then share a few of them instead of taking one each.
_LOOK_REST_S = (0.005, 0.05)
_PR_GET_CHILD_SUBREAPER = 37


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that could not be ended: another user's, or stuck in the kernel."""

    pid: int
    command: str


class Trees:
    """All living trees of this process.

    Belongs to one event loop. ``hurry``, ``stop_all`` and ``continue_all`` do not wait and may be
    called by a signal handler of that loop.

    Args:
        guard: Ends them if we are killed, where no keeper does.
        of_others: Whether trees are added that a process before this one began.

    Attributes:
        stopped_s: Seconds between ``stop_all`` and ``continue_all``, all together.
    """

    def __init__(self, guard: Guard | None = None, *, of_others: bool = False) -> None:
        self.stopped_s = 0.0
        self._guard = guard
        self._stopped_at_s = time.monotonic()
        self._trees: dict[Tree, None] = {}
        self._reader = TableReader(of_others=of_others)
        self._since = _now_started()
        self._looking = asyncio.Lock()
        # A thread of its own: the default ones may all be busy with what users gave them. (Of
        # anyio's the first call would cost 70 ms of imports in the event loop.)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="processes")
        self._begun = 0
        self._done = 0
        self._table = ProcessTable.of(())
        self._began_s = self._ended_s = float("-inf")
        self._hurried = asyncio.Event()
        self._stopped: dict[Identity, ProcessEntry] = {}
        self._leftovers: dict[Identity, Leftover] = {}

    @property
    def living(self) -> tuple[Tree, ...]:
        """The trees that were added and not removed yet."""
        return tuple(self._trees)

    @property
    def leftovers(self) -> tuple[Leftover, ...]:
        """What could not be ended so far, in the order it was given up."""
        return tuple(self._leftovers.values())

    def add(self, tree: Tree) -> None:
        """*tree* takes part in every look from now on."""
        if self._guard is not None:
            self._guard.begins(tree)
        self._trees[tree] = None

    def remove(self, tree: Tree) -> None:
        """*tree* is over."""
        self._trees.pop(tree, None)
        if self._guard is not None:
            self._guard.ended(tree)

    def hurry(self) -> None:
        """From now on every end is a SIGKILL at once, also of those that are waited for already."""
        self._hurried.set()

    def stop_all(self) -> None:
        """SIGSTOP for every member of every tree, until a look finds no new one."""
        self._stopped_at_s = time.monotonic()
        for _ in range(5):
            self._see(self._reader.read())
            fresh = [m for m in self._members() if m.identity not in self._stopped]
            for member in fresh:
                send(member, signal.SIGSTOP)
                self._stopped[member.identity] = member
            if not fresh:
                return

    def continue_all(self) -> float:
        """SIGCONT for all that ``stop_all`` stopped; gives the seconds since then."""
        for member in self._stopped.values():
            send(member, signal.SIGCONT)
        self._stopped.clear()
        stopped_s = time.monotonic() - self._stopped_at_s
        self.stopped_s += stopped_s
        return stopped_s

    async def cpu_s(self, tree: Tree, max_age_s: float = 0.5) -> float:
        """Processor time of *tree* so far: its living members and the children they waited for.

        Args:
            tree: One of the added trees.
            max_age_s: A look as old as that will do.
        """
        if time.monotonic() - self._began_s > max_age_s:
            await self.look()
        return sum(member.cpu_s for member in tree.members)

    async def look(self) -> ProcessTable:
        """A table whose reading began after this call; every tree has seen it."""
        asked = self._begun
        async with self._looking:
            if self._done > asked:
                return self._table
            await self._pace()
            self._begun += 1
            self._began_s = time.monotonic()
            loop = asyncio.get_running_loop()
            self._table = await loop.run_in_executor(self._thread, self._reader.read)
            self._ended_s = time.monotonic()
            self._done = self._begun
            self._see(self._table)
            return self._table

    async def end(self, tree: Tree, grace_s: float) -> tuple[Leftover, ...]:
        """Ends every process of *tree*, also when its root is gone already.

        Args:
            tree: One of the added trees.
            grace_s: How long its processes have between SIGTERM and SIGKILL.

        Returns:
            What could not be ended.
        """
        return await self._end(tree, grace_s)

    async def sweep_orphans(self, grace_s: float = 2.0) -> tuple[Leftover, ...]:
        """Ends what belongs to no living tree any more; for the end of a run.

        Does something only if this process is a child subreaper: elsewhere orphans go to init and
        cannot be told from what is none of our business. See ``claims.Orphans`` for what is taken.

        Args:
            grace_s: How long the orphans have between SIGTERM and SIGKILL.

        Returns:
            What could not be ended.
        """
        if not is_subreaper():
            return ()
        return await self._end(Orphans(self._since, self._trees), grace_s)

    async def _end(self, tree: Tree | Orphans, grace_s: float) -> tuple[Leftover, ...]:
        began_s = time.monotonic()
        told: set[tuple[Identity, signal.Signals]] = set()
        pause_s = _FIRST_PAUSE_S
        while living := await self._living(tree):
            killing_s = time.monotonic() - began_s - grace_s
            if killing_s > KILL_WAIT_S:
                return self._give_up(tree, living)
            number = self._number(killing_s)
            for member in living:
                if (member.identity, number) not in told:
                    told.add((member.identity, number))
                    _tell(member, number)
            await self._wait(min(pause_s, max(-killing_s, _FIRST_PAUSE_S)))
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
        return ()

    async def _living(self, tree: Tree | Orphans) -> list[ProcessEntry]:
        table = await self.look()
        if isinstance(tree, Orphans):
            tree.see(table, os.getpid())
        _reap(tree.adopted)
        return [member for member in tree.members if member.identity not in tree.given_up]

    def _number(self, killing_s: float) -> signal.Signals:
        kill = killing_s >= 0 or self._hurried.is_set()
        return signal.SIGKILL if kill else signal.SIGTERM

    def _give_up(
        self, tree: Tree | Orphans, living: Iterable[ProcessEntry]
    ) -> tuple[Leftover, ...]:
        left = {e.identity: Leftover(e.pid, command_line(e.pid)) for e in living}
        tree.given_up |= left.keys()
        self._leftovers |= left
        return tuple(left.values())

    async def _wait(self, delay_s: float) -> None:
        if self._hurried.is_set():
            await asyncio.sleep(delay_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._hurried.wait()

    async def _pace(self) -> None:
        took_s = self._ended_s - self._began_s if self._done else 0.0
        shortest_s, longest_s = _LOOK_REST_S
        rest_s = min(max(shortest_s, 3 * took_s), longest_s)
        rest_s += self._ended_s - time.monotonic()
        if rest_s > 0:
            await asyncio.sleep(rest_s)

    def _see(self, table: ProcessTable) -> None:
        us = os.getpid()
        for tree in self._trees:
            tree.see(table, us)

    def _members(self) -> list[ProcessEntry]:
        return [member for tree in self._trees for member in tree.members]


def is_subreaper() -> bool:
    """Whether orphaned descendants become children of this process (Linux, ``prctl(2)``)."""
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    failed = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return not failed and bool(answer.value)


def _tell(member: ProcessEntry, number: signal.Signals) -> None:
    send(member, number)
    if number == signal.SIGTERM:
        send(member, signal.SIGCONT)  # a stopped process does not act on SIGTERM before that


def _reap(zombies: Iterable[ProcessEntry]) -> None:
    for zombie in zombies:
        with suppress(ChildProcessError):
            os.waitpid(zombie.pid, os.WNOHANG)


def _now_started() -> int:
    """Now, in the unit of ``ProcessEntry.started`` on Linux; used only where we are a subreaper."""
    if sys.platform != "linux":
        return 0
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
