"""What agents made of the files: whether it is still there, and how it comes back if it is not.

An answer of a turn that could edit is worth something only with what it changed. Files are looked
at before and after each such turn, and when a process ends. A file counts as gone if no process of
the run worked when it vanished or became what it had been before; what anybody else made of it, or
in its place, counts as meant.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath

from orchcore.journal.file_states import FileStates, NoStateError
from orchcore.journal.past import Past, PastTurn
from orchcore.results import FileState

type Changes = Mapping[str, tuple[str | None, str | None]]
"""What a file was and became, by its path."""

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Gone:
    """What is not there any more of what turns changed.

    Attributes:
        paths: Files by the state that has them as they should be.
        why: Why it cannot be put back; empty: nothing is known that would keep us from it.
    """

    paths: Mapping[FileState, list[str]] = field(default_factory=dict[FileState, list[str]])
    why: str = ""

    def __str__(self) -> str:
        """``src/a.py, src/b.py and 3 more``, or why nothing can be done."""
        if self.why:
            return self.why
        names = [path for paths in self.paths.values() for path in paths]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a file should be.

    Attributes:
        entry: Its mode and content; ``None``: it should not be there.
        state: The last state in which it had changed.
        before: All that it was before.
    """

    entry: str | None
    state: FileState
    before: set[str | None]


class EditedFiles:
    """Looks after the files that the turns of a run change.

    Args:
        states: Keeps them; ``None``: nobody does.
        past: What earlier processes left.
        warn: Told what a person should know.

    Attributes:
        restored: Where something was put back: what commands told of it before is not so any more.
    """

    def __init__(self, states: FileStates | None, past: Past, warn: Callable[[str], None]) -> None:
        self._states = states
        self._edits = list(past.edits)
        self._looks = list(past.looks)
        self._process = past.processes + 1
        self._changes: dict[tuple[FileState, FileState], Changes] = {}
        self._warn = warn
        self.restored: list[Path] = []
        self._warned: set[str] = set()

    async def now(self, cwd: Path) -> FileState | None:
        """What the files are around *cwd*; ``None`` if they are not kept."""
        if self._states is None:
            return None
        try:
            return await self._states.taken(cwd)
        except NoStateError as error:
            text = f"what agents change in {cwd} cannot be put back by a resume: {error}"
            if text not in self._warned:
                self._warned.add(text)
                self._warn(text)
            return None

    def add(self, turn: PastTurn) -> None:
        """*turn*, which could edit, has just answered."""
        self._edits.append(turn)

    def saw(self, files: FileState | None) -> None:
        """This process has seen what *files* are."""
        if files is not None:
            self._looks.append((self._process, files))

    async def first_look(self) -> tuple[FileState, ...]:
        """What the files are before this process has done anything."""
        found = await self.last_look()
        self._looks += [(self._process, files) for files in found]
        return found

    async def last_look(self) -> tuple[FileState, ...]:
        """What the files are now wherever a turn of the run could edit."""
        places = {_root(turn): Path(turn.begun.cwd) for turn in self._edits if _root(turn)}
        found = [await self.now(cwd) for cwd in places.values() if _is_there(str(cwd))]
        return tuple(state for state in found if state is not None)

    async def gone(self, turns: Iterable[PastTurn]) -> Gone | None:
        """What is not there any more of what *turns* changed; ``None`` if all is."""
        paths: dict[FileState, list[str]] = {}
        roots: dict[str, list[PastTurn]] = defaultdict(list)
        for turn in turns:
            if not _is_there(turn.begun.cwd):
                return Gone(why=f"{turn.begun.cwd} is gone, where it worked")
            if turn.over.files is not None:
                roots[turn.over.files.root].append(turn)
        try:
            for root, changed in roots.items():
                paths |= await self._gone_below(root, changed)
        except NoStateError as error:
            return Gone(why=f"it cannot be told whether what it changed is still there ({error})")
        return Gone(paths) if paths else None

    async def put_back(self, gone: Gone) -> str | None:
        """Makes the files what they should be; if that cannot be, why."""
        if gone.why or self._states is None:
            return gone.why
        try:
            for state, paths in gone.paths.items():
                await self._states.put(state, paths)
        except NoStateError as error:
            return f"what it changed is gone, and cannot be put back: {gone} ({error})"
        self.restored += [Path(state.root) for state in gone.paths]
        self._warn(f"put back what an agent had changed: {gone}")
        return None

    async def _gone_below(
        self, root: str, turns: Sequence[PastTurn]
    ) -> Mapping[FileState, list[str]]:
        paths: dict[FileState, list[str]] = {}
        if self._states is None:
            return paths
        now = await self._states.taken(Path(turns[0].begun.cwd))
        last = next(turn.over.files for turn in reversed(self._edits) if _root(turn) == root)
        if now == last:
            return paths
        looks = [look for look in self._looks if look[1].root == root]
        there = await self._states.entries(now)
        for path, wanted in (await self._wanted(looks, turns)).items():
            entry = there.get(path)
            gone = entry in wanted.before
            if entry is None:
                gone = not _is_taken(Path(root), path)
            if gone and entry != wanted.entry:
                paths.setdefault(wanted.state, []).append(path)
        return paths

    async def _wanted(
        self, looks: Sequence[tuple[int, FileState]], turns: Iterable[PastTurn]
    ) -> Mapping[str, _Wanted]:
        """How the files should be that *turns* changed."""
        wanted: dict[str, _Wanted] = {}
        for (process, before), (later, after) in pairwise(looks):
            for path, (was, now) in (await self._between(before, after)).items():
                known = wanted[path].before if path in wanted else set[str | None]()
                lost = process != later and (now is None or now in known)
                if not lost:
                    wanted[path] = _Wanted(now, after, {*known, was} - {now})
        paths: set[str] = set()
        for turn in turns:
            if turn.begun.files is not None and turn.over.files is not None:
                paths |= (await self._between(turn.begun.files, turn.over.files)).keys()
        return {path: one for path, one in wanted.items() if path in paths}

    async def _between(self, before: FileState, after: FileState) -> Changes:
        if before == after or self._states is None:
            return {}
        if (before, after) not in self._changes:
            self._changes[before, after] = await self._states.changes(before, after)
        return self._changes[before, after]


def _is_taken(root: Path, path: str) -> bool:
    """Whether something stands where *path* would be, or in its way: a person's, so it stays."""
    for above in reversed(PurePath(path).parents):  # from the top down
        place = root / above
        if above != PurePath() and (place.is_symlink() or not place.is_dir()):
            return os.path.lexists(place)
    return os.path.lexists(root / path)


def _is_there(folder: str) -> bool:
    return not folder or Path(folder).is_dir()


def _root(turn: PastTurn) -> str:
    return "" if turn.over.files is None else turn.over.files.root
