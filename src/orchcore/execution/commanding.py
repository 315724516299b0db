"""What is told of a command: its name, its failure, its last lines."""

import shlex
from pathlib import PurePath

from orchcore.results import Completed, Failure

_LINES_EACH = 7


def program_name(argv: tuple[str, ...]) -> str:
    """``pytest`` of ``/opt/my tools/pytest -q``; at most 100 characters."""
    return shortened(PurePath(argv[0]).name or argv[0], 100)


def shortened(text: str, size: int) -> str:
    """*text*, cut to *size* characters."""
    return text if len(text) <= size else f"{text[: size - 1]}…"


def unchecked(done: Completed) -> Failure | None:
    """The failure of a command that must succeed; ``None`` if it did."""
    if done.ok:
        return None
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    last = f": {lines[-1][:200]}" if lines else ""
    command = shortened(shlex.join(done.argv), 120)
    return Failure("error", f"{command} exited with {done.exit_code}{last}")


def last_lines(done: Completed) -> tuple[str, ...]:
    """The last lines that it printed: test runners tell failures on stdout, others on stderr."""
    return tuple(
        line[:500]
        for text in (done.stdout, done.stderr)
        for line in text.rstrip().splitlines()[-_LINES_EACH:]
    )
