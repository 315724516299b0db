"""What the demo agent really does: it looks at the files around it and changes nothing."""

import os

from orchcore.agents.demo.stream import Stream

_ENOUGH = 2_000
_TEXT_ENDS = (".md", ".py", ".toml", ".txt", ".json", ".yaml", ".yml", ".rst", ".cfg")
_ALIASES = {
    "list_files": {"list_files", "LS", "Glob", "Grep"},
    "read_file": {"read_file", "Read"},
}


def files_here(limit: int = _ENOUGH) -> list[str]:
    """Names of up to *limit* files below the working directory; hidden ones are left out."""
    found: list[str] = []
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        prefix = "" if folder == "." else folder[2:] + "/"
        found += [prefix + name for name in sorted(names) if not name.startswith(".")]
        if len(found) >= limit:
            break
    return found[:limit]


def look_around(
    stream: Stream, files: list[str], asked: tuple[str, ...], tools: list[str] | None, calls: int
) -> None:
    """Lists the files and reads one.

    Args:
        stream: Where the tool calls are told.
        files: What is there.
        asked: File names in the prompt; one that is there is read first.
        tools: Names of the only tools that may be used; ``None`` allows all.
        calls: At most this many tool calls.
    """
    jobs = [name for name in _ALIASES if tools is None or _ALIASES[name].intersection(tools)]
    for job in jobs[: max(0, calls)]:
        if job == "list_files":
            stream.tool(job, ".", f"{len(files)} files")
        elif readable := _readable(files, asked):
            stream.tool(job, readable, _read(readable))


def _readable(files: list[str], asked: tuple[str, ...]) -> str | None:
    texts = [name for name in files if name.endswith(_TEXT_ENDS)]
    wanted = [name for name in asked if name in texts]
    return next(iter([*wanted, *texts]), None)


def _read(name: str) -> str:
    try:
        with open(name, "rb") as file:  # noqa: PTH123  fast start
            return f"{file.read(1 << 20).count(b'\n')} lines"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
