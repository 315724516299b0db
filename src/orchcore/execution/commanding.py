"""What is told of a command: its name, its failure, its last lines."""

from pathlib import PurePath

from orchcore.results import Completed, Failure

_LINES_EACH = 7


def program_name(argv: tuple[str, ...]) -> str:
    """``pytest`` of ``/opt/my tools/pytest -q``."""
    return PurePath(argv[0]).name or argv[0]


def unchecked(done: Completed) -> Failure | None:
    """The failure of a command that must succeed; ``None`` if it did."""
    if done.ok:
        return None
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    last = f": {lines[-1][:200]}" if lines else ""
    return Failure("error", f"{' '.join(done.argv)[:120]} exited with {done.exit_code}{last}")


def last_lines(done: Completed) -> tuple[str, ...]:
    """The last lines that it printed: test runners tell failures on stdout, others on stderr."""
    return tuple(
        line[:500]
        for text in (done.stdout, done.stderr)
        for line in text.rstrip().splitlines()[-_LINES_EACH:]
    )
