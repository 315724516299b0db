"""Where settings come from: files, profiles, the environment. A later layer wins, key by key.

Comes in: files and variables. Goes out: one table of raw values, and for each value the place that
said it. Does not know which settings there are.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from orchcore.errors import Location, Problem, UsageError, shown_path

type Table = Mapping[str, object]
type Key = tuple[str, ...]

_HEADER = re.compile(r"^\s*\[\s*(?P<table>[^\[\]]+?)\s*\]\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one origin.

    Attributes:
        values: Raw and nested.
        file: The file they stand in; ``None``: the environment.
        prefix: The table of that file which holds them; the prefix of variables' names.
    """

    values: Table
    file: Path | None = None
    prefix: Key = ()

    def holds(self, key: Key) -> bool:
        """Whether this layer says anything for *key*."""
        table: Any = self.values
        for part in key:
            if not isinstance(table, Mapping) or part not in table:
                return False
            table = cast("Any", table)[part]
        return True

    def place(self, key: Key) -> Location | None:
        """The line that says *key*; ``None`` for a variable."""
        return None if self.file is None else _line(self.file, (*self.prefix, *key))

    def origin(self, key: Key) -> str:
        """``orchcore.toml:4``, or the variable's name."""
        if self.file is not None:
            return str(self.place(key))
        return "_".join((*self.prefix, "__".join(key))).upper()


def merged(layers: Iterable[Layer]) -> dict[str, object]:
    """All of *layers*, the last one's values over those before."""
    result: dict[str, object] = {}
    for layer in layers:
        result = _over(result, layer.values)
    return result


def file_layer(folder: Path) -> Layer | None:
    """What ``orchcore.toml`` in *folder* says, else ``[tool.orchcore]`` of its pyproject.toml.

    Raises:
        UsageError: The file is no TOML, cannot be read, or is not safe.
    """
    for name, prefix in (("orchcore.toml", ()), ("pyproject.toml", ("tool", "orchcore"))):
        path = folder / name
        table = _table_at(path, prefix) if path.is_file() else None
        if table is not None:
            ensure_trusted(path)
            return Layer(table, path, prefix)
    return None


def _table_at(path: Path, prefix: Key) -> Table | None:
    table: object = _parsed(path)
    for depth, part in enumerate(prefix, 1):
        if part not in cast("Table", table):
            return None
        table = cast("Table", table)[part]
        if not isinstance(table, Mapping):
            ensure_trusted(path)
            key = prefix[:depth]
            said = f"'{'.'.join(key)}' must be a table"
            raise UsageError(Problem("configuration", said, _line(path, key)))
    return cast("Table", table)


def ensure_trusted(path: Path) -> None:
    """Refuses a file found by upward search that somebody else could have planted.

    Raises:
        UsageError: It belongs to another user, or others may write it.
    """
    status = path.stat()
    if status.st_uid in (os.geteuid(), 0) and not status.st_mode & stat.S_IWOTH:
        return
    raise UsageError(
        Problem(
            "untrusted-file",
            f"{shown_path(path)} belongs to another user or may be written by others",
            Location(path, 1),
            (f"chmod o-w {shown_path(path)}, or name it yourself with -f",),
        )
    )


def _over(below: Table, above: Table) -> dict[str, object]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _over(cast("Table", old), cast("Table", value)) if both else value
    return result


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        ensure_trusted(path)  # nothing else is told of a file that is not
        raise UsageError(Problem("configuration", str(error), Location(path, 1))) from None


def _line(path: Path, key: Key) -> Location:
    """The line of *path* that says *key*: in its table, else the first that names it."""
    fallback = Location(path, 1)
    table: Key = ()
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        if header := _HEADER.match(text):
            table = tuple(part.strip().strip("\"'") for part in header["table"].split("."))
        here = Location(path, number, text.strip())
        if table == key and header:
            return here
        named = text.split("=")[0].split("#")[0].strip().strip("\"'")
        if table == key[:-1] and named == key[-1]:
            return here
        if fallback.text == "" and key[-1] in text.split("#")[0]:
            fallback = here
    return fallback
