"""What agents made of the files: whether it is still there, and how it comes back if it is not.

An answer of a turn that could edit is worth something only with what it changed. A file counts as
gone if it is missing, or as it was before a turn that changed it; what anybody made of it since
counts as meant.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchcore.journal.file_states import FileStates, NoStateError
from orchcore.journal.past import PastTurn
from orchcore.results import FileState

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
        state: The last state of a turn that changed it.
        before: All that it was before one.
    """

    entry: str | None
    state: FileState
    before: set[str | None]


class EditedFiles:
    """Looks after the files that the turns of a run change.

    Args:
        states: Keeps them; ``None``: nobody does.
        edits: Turns of earlier processes, in the order of their ends.
        warn: Told what a person should know.
    """

    def __init__(
        self, states: FileStates | None, edits: Iterable[PastTurn], warn: Callable[[str], None]
    ) -> None:
        self._states = states
        self._edits = list(edits)
        self._warn = warn
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
        """*turn* has just answered."""
        if turn.begun.permission != "read-only":
            self._edits.append(turn)

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
        there = await self._states.entries(now)
        for path, wanted in (await self._wanted(self._states, root, turns)).items():
            entry = there.get(path)
            if entry != wanted.entry and (entry is None or entry in wanted.before):
                paths.setdefault(wanted.state, []).append(path)
        return paths

    async def _wanted(
        self, states: FileStates, root: str, turns: Iterable[PastTurn]
    ) -> Mapping[str, _Wanted]:
        """How the files should be that *turns* changed below *root*."""
        asked = {turn.begun.key for turn in turns}
        wanted: dict[str, _Wanted] = {}
        paths: set[str] = set()
        for turn in self._edits:
            before, after = turn.begun.files, turn.over.files
            if _root(turn) != root or before is None or after is None:
                continue
            for path, (was, now) in (await states.changes(before, after)).items():
                known = wanted[path].before if path in wanted else set[str | None]()
                wanted[path] = _Wanted(now, after, {*known, was} - {now})
                if turn.begun.key in asked:
                    paths.add(path)
        return {path: one for path, one in wanted.items() if path in paths}


def _is_there(folder: str) -> bool:
    return not folder or Path(folder).is_dir()


def _root(turn: PastTurn) -> str:
    return "" if turn.over.files is None else turn.over.files.root
