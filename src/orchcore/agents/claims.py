"""Which processes belong to a tree. Pure: a table in, members out.

The rules:

1. To a tree belong its root, whatever descends from a member, whatever shares a session with one,
   whatever bears its marker, and whatever belonged to it at an earlier look (orphans that a
   subreaper or init adopted). Members are known by number *and* start time.
2. An orphan without a tree is a descendant of ours in a session that is not ours, started in our
   time, and no member of a living tree. What other code of this process starts stays in our
   session, unless it asks for one of its own.
3. Of the zombies among our direct children only those are ours to reap of which it is certain
   that we adopted them: somebody else may wait for the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from orchcore.agents.process_table import MARKER_DIGITS, Identity, ProcessEntry, ProcessTable


@dataclass(slots=True, eq=False)
class Tree:
    """One process started by us and all it started; ``see`` keeps it up to date.

    Attributes:
        marker: What its processes bear, in environment and limits (``process_table.mark``).
        root: Number of the process we started, once it was.
        members: Its living processes at the last look.
        adopted: Its zombies that are our own children now, though we did not start them.
        given_up: What could not be ended.
    """

    marker: str = field(default_factory=lambda: uuid4().hex[:MARKER_DIGITS])
    root: int | None = None
    members: tuple[ProcessEntry, ...] = ()
    adopted: tuple[ProcessEntry, ...] = ()
    given_up: frozenset[Identity] = frozenset()
    _known: frozenset[Identity] = frozenset()
    _sessions: frozenset[int] = frozenset()
    _root: Identity | None = None

    def launched(self, pid: int) -> None:
        """The root runs as *pid*, the leader of a new session."""
        self.root = pid
        self._sessions |= {pid}

    def see(self, table: ProcessTable, us: int) -> None:
        """Takes from *table* what belongs to this tree; *us* is the orchestrator."""
        found = belonging(table, self._seeds(table), us)
        root = table.entries.get(self.root or -1)
        if self._root is None and root is not None and root.identity in found:
            self._root = root.identity
        self._known = frozenset(found)
        self._sessions = frozenset(entry.session for entry in found.values()) - {0}
        if self.root is not None and self._root is None:
            self._sessions |= {self.root}  # this table was read before the launch
        self.members = tuple(entry for entry in found.values() if not entry.dead)
        self.adopted = tuple(
            entry
            for entry in found.values()
            if entry.dead and entry.parent == us and entry.identity != self._root
        )

    def _seeds(self, table: ProcessTable) -> list[ProcessEntry]:
        seeds = list(table.marked.get(self.marker, ()))
        for session in self._sessions:
            seeds.extend(table.sessions.get(session, ()))
        for pid, started in self._known:
            entry = table.entries.get(pid)
            if entry is not None and entry.started == started:
                seeds.append(entry)
        return seeds


@dataclass(slots=True, eq=False)
class Orphans:
    """What was left behind by trees that are over, as far as it came to us.

    Attributes:
        since: Processes that started before are not ours (unit: ``ProcessEntry.started``).
        trees: The living trees; their members are left alone.
        members: The living orphans at the last look.
        adopted: The zombies among them that are certainly ours to reap.
        given_up: What could not be ended.
    """

    since: int
    trees: Iterable[Tree]
    members: tuple[ProcessEntry, ...] = ()
    adopted: tuple[ProcessEntry, ...] = ()
    given_up: frozenset[Identity] = frozenset()
    _known: frozenset[Identity] = frozenset()

    def see(self, table: ProcessTable, us: int) -> None:
        """Takes the orphans from *table*; the trees must have seen it before."""
        taken = {member.identity for tree in self.trees for member in tree.members}
        roots = {tree.root for tree in self.trees}
        session = _session_of(table, us)
        seeds = [
            child
            for child in table.children.get(us, ())
            if child.session != session and child.started >= self.since and child.pid not in roots
        ]
        found = belonging(table, seeds, us)
        self.members = tuple(
            entry for entry in found.values() if not entry.dead and entry.identity not in taken
        )
        # A child of our own code is in our session or leads its own; one seen at work under
        # another parent, or in a third session, was adopted.
        self.adopted = tuple(
            entry
            for entry in seeds
            if entry.dead and (entry.session != entry.pid or entry.identity in self._known)
        )
        self._known |= {e.identity for e in found.values() if e.parent != us}


def belonging(
    table: ProcessTable, seeds: Iterable[ProcessEntry], us: int
) -> dict[Identity, ProcessEntry]:
    """*seeds*, all that descends from them, and all that shares a session with one of those.

    Neither we (*us*) nor the processes of our own session are claimed by session: a tree's root
    starts a session of its own, and no process ever joins another's.
    """
    found: dict[Identity, ProcessEntry] = {}
    visited = {0, _session_of(table, us)}
    todo = list(seeds)
    while todo:
        entry = todo.pop()
        if entry.identity in found or entry.pid == us:
            continue
        found[entry.identity] = entry
        todo.extend(table.children.get(entry.pid, ()))
        if entry.session not in visited:
            visited.add(entry.session)
            todo.extend(table.sessions.get(entry.session, ()))
    return found


def _session_of(table: ProcessTable, pid: int) -> int:
    entry = table.entries.get(pid)
    return entry.session if entry else 0
