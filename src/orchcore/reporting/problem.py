"""Draws what a user has to put right."""

from collections.abc import Iterator, Sequence

from orchcore.errors import Problem
from orchcore.reporting.figures import counted
from orchcore.reporting.sanitize import clean_lines
from orchcore.reporting.styled import Line, Style, painted_lines, plain_line

_HELP = "  help: "


def draw(problems: Sequence[Problem], *, colour: bool = False) -> str:
    """All *problems*, each with its place and its fixes, and how many there are.

    Example:
        >>> print(draw([Problem("unknown-target", "no phase 'reviw'", hints=("write 'review'",))]))
        error[unknown-target]: no phase 'reviw'
          help: write 'review'
        1 error
    """
    lines = [line for problem in problems for line in _drawn(problem)]
    return painted_lines([*lines, _count(problems)], colour=colour).removesuffix("\n")


def _drawn(problem: Problem) -> Iterator[Line]:
    name, style = _kind(problem)
    first, *more = clean_lines(problem.message)
    yield ((f"{name}[{problem.code}]", style), (f": {first}", "bold"))
    yield from (plain_line(f"  {line}") for line in more)
    if problem.where is not None:
        source = f"  {problem.where.text}" if problem.where.text else ""
        yield (("  --> ", "cyan"), (f"{problem.where}{source}", ""))
    for hint in problem.hints:
        first, *more = clean_lines(hint)
        yield ((_HELP, "cyan"), (first, ""))
        yield from (plain_line(" " * len(_HELP) + line) for line in more)


def _count(problems: Sequence[Problem]) -> Line:
    warnings = sum(problem.warning for problem in problems)
    errors = len(problems) - warnings
    parts = [
        counted(errors, "error") if errors else "",
        counted(warnings, "warning") if warnings else "",
    ]
    return ((", ".join(filter(None, parts)), "bold red" if errors else "bold yellow"),)


def _kind(problem: Problem) -> tuple[str, Style]:
    return ("warning", "bold yellow") if problem.warning else ("error", "bold red")
