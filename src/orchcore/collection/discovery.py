"""Which file is the orchfile, and what of it was asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchcore.config import ensure_trusted, load_config, upwards
from orchcore.errors import CollectionError, Problem, UsageError, shown_path

ORCHFILE = "orchfile.py"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the words of a command line mean.

    Attributes:
        orchfile: The file, absolute.
        selectors: Phase ids, globs and ``+`` forms that select nodes of it.
    """

    orchfile: Path
    selectors: tuple[str, ...]


def find(targets: Iterable[str], file: str | None, cwd: Path) -> Asked:
    """The orchfile and the selectors that *targets* name.

    Args:
        targets: ``review``, ``path.py``, ``path.py::review``, a folder that holds an orchfile.
        file: What ``-f`` says; wins over search, must not contradict a path in *targets*.
        cwd: Where the upward search starts, absolute.

    Raises:
        CollectionError: There is no such file, or two are named.
    """
    paths: list[Path] = [_named(cwd / file)] if file is not None else []
    selectors: list[str] = []
    for target in targets:
        path, selector = split(target, cwd)
        if path is not None:
            paths.append(_named(path))
        if selector or path is None:
            selectors.append(selector)
    distinct = list(dict.fromkeys(paths))
    if len(distinct) > 1:
        names = " and ".join(shown_path(path) for path in distinct)
        raise UsageError(
            Problem("two-orchfiles", f"{names} are named; a run has one orchfile", None, ())
        )
    if distinct:
        return Asked(distinct[0], tuple(selectors))
    folder = next((cwd / name for name in selectors if name and (cwd / name).is_dir()), None)
    return Asked(search(cwd, folder), tuple(selectors))


def search(cwd: Path, asked: Path | None = None) -> Path:
    """The nearest orchfile from *cwd* upwards, or the one that configuration names there.

    Args:
        cwd: Where the search starts, absolute.
        asked: A folder without an orchfile that was named; meant if the search finds none.

    Raises:
        CollectionError: There is none.
        UsageError: It is not safe to import (another user's, or writable by others).
    """
    config = load_config(cwd)
    named = config.settings.orchfile
    for folder in upwards(cwd):
        if named is not None and config.path is not None and config.path.parent == folder:
            return _named(folder / named)
        if (folder / ORCHFILE).is_file():
            ensure_trusted(folder / ORCHFILE)
            return folder / ORCHFILE
    if asked is not None:
        return _named(asked)
    hints = (
        "name one:   orchcore run PATH/orchfile.py   (or a folder that holds one)",
        "or begin with one that works:   orchcore init",
    )
    raise CollectionError(
        Problem("no-orchfile", f"no {ORCHFILE} in {cwd} or above it", None, hints)
    )


def split(target: str, cwd: Path) -> tuple[Path | None, str]:
    """The path that *target* names, if it names one, and what it selects there.

    A folder may be called ``a::b``: what exists as it stands is taken so.
    """
    if not target:
        return None, target
    head, found, tail = target.rpartition("::")
    if found and not (cwd / target).exists():
        if not (cwd / head).exists():
            head, _, tail = target.partition("::")
        return cwd / head, tail
    return (cwd / target, "") if _is_path(target, cwd / target) else (None, target)


def _is_path(target: str, path: Path) -> bool:
    """Whether *target* is meant as a path: ids of instances may look like one (``fix:a.py``)."""
    if ":" in target:
        return path.exists()
    if target.endswith(".py") or "/" in target or target in (".", ".."):
        return True
    return (path / ORCHFILE).is_file()  # a folder that has only the name of a phase is none


def _named(path: Path) -> Path:
    file = path / ORCHFILE if path.is_dir() else path
    if file.is_file():
        return file.resolve()
    at = f"{shown_path(path)} holds no {ORCHFILE}" if path.is_dir() else f"no file {path}"
    near = sorted(path.glob("*.py")) if path.is_dir() else []
    hints = tuple(f"there is {shown_path(found)}" for found in near[:3])
    raise CollectionError(Problem("no-orchfile", at, None, hints))
