"""What the files of a folder were at a time: trees of git, kept in the run's own folder.

The user's repository, where there is one, is read and never written: its index is copied once, so
that only what has changed since is looked at, and its objects count as ours. A folder without a
repository is kept as a whole. What git ignores does not count, and neither does ``.orchcore``.
Files are kept byte by byte: no filter and no line ends of git's are applied.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from orchcore.journal.run_folder import made_folder
from orchcore.results import FileState

LARGEST_FILE_BYTES = 64 * 2**20
"""Larger files are not kept."""
MOST_BYTES, MOST_FILES = 2**30, 20_000
"""A folder in which more has changed since the last commit is not kept."""
LONGEST_S = 10.0
"""Nor one at which git looks for longer."""

_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_CHANGING = ("text", "eol", "filter", "ident", "working-tree-encoding")
_AS_IT_IS = "* -text -eol -filter -ident -working-tree-encoding\n"
_LISTED = ("ls-files", "-z", "--others", "--modified", "--deleted", "--exclude-standard")


class NoStateError(Exception):
    """The files of a folder cannot be kept, or are not; the text says why."""


type Entries = Mapping[str, str]
"""Mode and content of files by their paths below the root; what is not there is no file."""


@dataclass(frozen=True, slots=True)
class _Store:
    """Where the states of one root are kept.

    Attributes:
        root: The root.
        path: A bare repository of our own.
        env: For git.
        excludes: The file with what the user's repository ignores beside ``.gitignore``.
    """

    root: Path
    path: Path
    env: Mapping[str, str]
    excludes: str

    async def git(self, *args: str, given: Iterable[str] = ()) -> str:
        """What ``git ARGS`` prints, with the paths *given* on its stdin.

        Raises:
            NoStateError: It failed.
        """
        argv = ("--git-dir", str(self.path), "--work-tree", str(self.root))
        settings = ("-c", f"core.excludesFile={self.excludes}", "-c", "core.autocrlf=false")
        told = b"".join(os.fsencode(path) + b"\0" for path in given)
        return await _git((*argv, *settings, *args), self.root, self.env, told)


@dataclass(slots=True)
class FileStates:
    """Keeps states of folders.

    Attributes:
        folder: Where; made when it is needed.
        environ: Our environment.
        index: What this process calls its index: those of others are left alone.
    """

    folder: Path
    environ: Mapping[str, str]
    index: str = "index"
    _stores: dict[Path, _Store] = field(default_factory=dict[Path, _Store])
    _refused: dict[Path, str] = field(default_factory=dict[Path, str])
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def taken(self, cwd: Path) -> FileState:
        """What the files are around *cwd*, from now on kept.

        Raises:
            NoStateError: They cannot be kept: no git, too much, too slow.
        """
        if cwd in self._refused:
            raise NoStateError(self._refused[cwd])
        try:
            async with self._one:
                async with asyncio.timeout(LONGEST_S):
                    store = await self._store(cwd)
                    return FileState(str(store.root), await _written(store))
        except TimeoutError:
            self._refused[cwd] = f"git took longer than {LONGEST_S:g} s"
            raise NoStateError(self._refused[cwd]) from None
        except NoStateError as error:
            self._refused[cwd] = str(error)
            raise

    async def entries(self, state: FileState) -> Entries:
        """Every file of *state*.

        Raises:
            NoStateError: It is not kept any more.
        """
        store = await self._of(state)
        return dict(_entries(await store.git("ls-tree", "-r", "-z", "--full-tree", state.tree)))

    async def changes(
        self, before: FileState, after: FileState
    ) -> Mapping[str, tuple[str | None, str | None]]:
        """What is in other ways in *after* than it was in *before*: by path, both.

        Raises:
            NoStateError: One of them is not kept any more.
        """
        store = await self._of(after)
        told = await store.git("diff-tree", "-r", "-z", "--no-renames", before.tree, after.tree)
        return dict(_changes(told))

    async def put(self, state: FileState, paths: Iterable[str]) -> None:
        """Makes *paths* what they are in *state*: those that are not in it are removed.

        Raises:
            NoStateError: Not all can be made so; those before are.
        """
        store = await self._of(state)
        there = await self.entries(state)
        wanted = set(paths)
        for path in sorted(wanted - there.keys()):
            _remove(store.root, path)
        files = sorted(wanted & there.keys())
        if files:
            listed = ("--pathspec-from-file=-", "--pathspec-file-nul")
            await store.git("restore", f"--source={state.tree}", "--worktree", *listed, given=files)

    async def _of(self, state: FileState) -> _Store:
        async with self._one:
            return await self._store(Path(state.root))

    async def _store(self, cwd: Path) -> _Store:
        found = self._stores.get(cwd)
        if found is None:
            opened = await self._opened(cwd)
            found = self._stores[cwd] = self._stores.setdefault(opened.root, opened)
        return found

    async def _opened(self, cwd: Path) -> _Store:
        env = {name: text for name, text in self.environ.items() if not name.startswith("GIT_")}
        home = await _home(cwd, env)
        name = sha256(os.fsencode(home.root)).hexdigest()[:16]
        path = made_folder(self.folder.parent, self.folder.name) / name
        if not (path / "HEAD").exists():
            made = ("init", "-q", "--bare", "--template=", f"--object-format={home.kind}")
            await _git((*made, str(path)), cwd, env)
        index = path / self.index
        if home.root not in self._stores:
            index.with_suffix(".lock").unlink(missing_ok=True)  # of a process that was killed
        own = {**env, **_SETTINGS, "GIT_INDEX_FILE": str(index)}
        if home.objects is not None:
            own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(home.objects)
        store = _Store(home.root, path, own, str(home.excludes))
        if not index.exists():
            (path / "info").mkdir(exist_ok=True)
            (path / "info" / "attributes").write_text(_AS_IT_IS)
            if (path / "index").is_file():
                shutil.copyfile(path / "index", index)
            else:
                await _seed(store, home, index, env)
        return store


async def _seed(store: "_Store", home: "_Home", index: Path, env: Mapping[str, str]) -> None:
    """Takes over what the user's index knows, but for files that git changes on their way."""
    if not home.index.is_file():
        return
    try:
        if await _git(("config", "--default=false", "--get", "core.autocrlf"), home.root, env) != (
            "false\n"
        ):
            return
        changed = await _changed_by_git(home.root, env)
        shutil.copyfile(home.index, index)
        await store.git("update-index", "--force-remove", "-z", "--stdin", given=changed)
    except (NoStateError, OSError):  # an index of a kind that cannot be copied
        _forget(index)


def _forget(index: Path) -> None:
    index.unlink(missing_ok=True)


async def _changed_by_git(root: Path, env: Mapping[str, str]) -> list[str]:
    """Files with attributes by which they are not in a repository what they are here."""
    if not await _git(("ls-files", "-z", "--", "*.gitattributes"), root, env):
        return []
    names = (await _git(("ls-files", "-z"), root, env)).split("\0")
    given = b"".join(os.fsencode(name) + b"\0" for name in names if name)
    told = await _git(("check-attr", "-z", "--stdin", *_CHANGING), root, env, given)
    facts = told.split("\0")
    pairs = zip(facts[0::3], facts[2::3], strict=False)
    return sorted({name for name, value in pairs if value not in ("unspecified", "unset")})


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a folder belongs.

    Attributes:
        root: The top of its repository, or itself.
        kind: How objects are named there.
        index, objects, excludes: The repository's.
    """

    root: Path
    kind: str = "sha1"
    index: Path = Path(os.devnull)
    objects: Path | None = None
    excludes: Path = Path(os.devnull)


async def _home(cwd: Path, env: Mapping[str, str]) -> _Home:
    places = ("index", "objects", "info/exclude")
    paths = (word for place in places for word in ("--git-path", place))
    try:
        asked = ("rev-parse", "--show-toplevel", "--show-object-format", *paths)
        root, kind, *found = (await _git(asked, cwd, env)).splitlines()
    except NoStateError:
        return _Home(cwd)
    return _Home(Path(root), kind, *(cwd / path for path in found))


async def _written(store: _Store) -> str:
    """The tree of what is there now."""
    changed = set((await store.git(*_LISTED)).split("\0")) - {""}
    kept = await asyncio.to_thread(lambda: list(_kept(store.root, changed))) if changed else []
    if kept:
        await store.git(
            "update-index", "--add", "--remove", "--replace", "-z", "--stdin", given=kept
        )
    return (await store.git("write-tree", "--missing-ok")).strip()


def _kept(root: Path, changed: Iterable[str]) -> Iterator[str]:
    """Those of *changed* that are kept.

    Raises:
        NoStateError: It is too much.
    """
    files, size = 0, 0
    for path in changed:
        try:
            found = os.lstat(root / path)
        except OSError:
            yield path  # it is gone
            continue
        if stat.S_ISDIR(found.st_mode) or found.st_size > LARGEST_FILE_BYTES:
            continue  # a repository of its own, or too large
        files, size = files + 1, size + found.st_size
        if files > MOST_FILES or size > MOST_BYTES:
            raise NoStateError(f"too much has changed in {root} since its last commit")
        yield path


def _remove(root: Path, path: str) -> None:
    try:
        if (root / path).parent.resolve().is_relative_to(root.resolve()):
            (root / path).unlink(missing_ok=True)
    except OSError as error:
        raise NoStateError(f"{path} cannot be removed: {error.strerror}") from error


def _entries(told: str) -> Iterator[tuple[str, str]]:
    for line in told.split("\0"):
        facts, tab, path = line.partition("\t")
        if tab:
            mode, _, content = facts.split(" ")
            yield path, f"{mode} {content}"


def _changes(told: str) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    fields = iter(told.split("\0"))
    for facts in fields:
        if not facts:
            return
        before, after, content_before, content_after, _ = facts.removeprefix(":").split(" ")
        was = None if before == "000000" else f"{before} {content_before}"
        now = None if after == "000000" else f"{after} {content_after}"
        yield next(fields), (was, now)


async def _git(argv: Iterable[str], cwd: Path, env: Mapping[str, str], given: bytes = b"") -> str:
    # not anyio's run_process: its first call would cost 50 ms of imports in the event loop
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *("git", *argv), stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, env=env,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise NoStateError(f"git cannot be run in {cwd}: {error.strerror}") from error
    try:
        stdout, stderr = await process.communicate(given)
    finally:
        if process.returncode is None:  # cancelled, or too slow
            process.kill()
            await process.wait()
    if process.returncode:
        told = os.fsdecode(stderr).strip().splitlines() or [f"exit code {process.returncode}"]
        raise NoStateError(f"git: {told[-1]}")
    return os.fsdecode(stdout)
