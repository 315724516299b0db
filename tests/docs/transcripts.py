"""What a ``console`` block says: commands after ``$``, and what each of them prints.

A line ``...`` stands for any lines. What differs from run to run (times, ids, core counts) and
the order of lines (several things end at once) do not count.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PROMPT = "$ "
ANYTHING = "..."

_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<date>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"((?:run|show|resume|approve|runs/)[ ]?)[0-9a-f]{4,}\b"), r"\1<run>"),
    (re.compile(r"^[0-9a-f]{4,}(?=  )"), "<run>"),
    (re.compile(r"slowest: \S+ \S+"), "slowest"),
    (re.compile(r"(?<![\w.])\d+\.\d{5,}"), "<float>"),
    (re.compile(r"(?<![\w=])\d+(\.\d+)? ?s\b"), "<s>"),
    (re.compile(r"(?<!\w)\d+m\d+\b"), "<s>"),
    (re.compile(r"-j \d+|at most \d+ turns"), "<jobs>"),
    (re.compile(r"pid \d+"), "<pid>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and what is printed for it."""

    command: str
    output: tuple[str, ...]


def exchanges(block: str) -> Iterator[Exchange]:
    """The exchanges of a block; a command goes on in the next line after a backslash."""
    command, output = "", list[str]()
    for line in block.splitlines():
        if command.endswith("\\") and not output:
            command += f"\n{line}"
        elif line.startswith(PROMPT):
            if command:
                yield Exchange(command, tuple(output))
            command, output = line.removeprefix(PROMPT), []
        else:
            output.append(line)
    if command:
        yield Exchange(command, tuple(output))


def difference(told: Sequence[str], printed: Sequence[str]) -> str:
    """Where *told* is not what was *printed*; empty if it is."""
    wanted, found = _stable(told), _stable(printed)
    if ANYTHING in wanted:
        rest = list(found)
        missing = [line for line in wanted if line != ANYTHING and not _taken(line, rest)]
        return "\n".join(f"not printed: {line}" for line in missing)
    if sorted(wanted) == sorted(found):
        return ""
    gone = [f"not printed: {line}" for line in wanted if line not in found]
    new = [f"not told: {line}" for line in found if line not in wanted]
    return "\n".join([*gone, *new]) or "a line is printed more or less often"


def _taken(line: str, lines: list[str]) -> bool:
    if line not in lines:
        return False
    lines.remove(line)
    return True


def _stable(lines: Sequence[str]) -> list[str]:
    return [_masked(line) for line in lines if line.strip()]


def _masked(line: str) -> str:
    for pattern, mask in _VOLATILE:
        line = pattern.sub(mask, line)
    return line.strip()
