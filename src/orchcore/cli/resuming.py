"""``resume``: the recorded command line again, with ``--resume``."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import click

from orchcore.errors import Problem, UsageError, shell_word

_RUN = re.compile(r"[0-9a-f]{1,32}|latest")
_HIDDEN = "***"
_PROGRAMS = frozenset({"orchcore", "__main__.py"})


@click.command(
    "resume",
    help="""Go on with a run that was interrupted, failed, paused, or whose machine died.

RUN is its id, the beginning of one, or `latest`, which is meant without it. Its command line is
run again with what it was given, also from another folder; OPTIONs are added to it. What has
passed is not run again, a turn that was paid is not paid again, and a conversation that was
interrupted goes on.

\b
Examples:
  orchcore resume
  orchcore resume 7f3c --agent codex
  orchcore resume 7f3c --token ...       (a secret is never recorded)
""",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("run", default="latest", metavar="[RUN]")
@click.argument("options", nargs=-1, metavar="[OPTION]...", type=click.UNPROCESSED)
def resume_command(run: str, options: tuple[str, ...]) -> None:
    """Never called: the line is turned into that of ``run`` first."""
    del run, options
    raise RuntimeError("a line that begins with resume was not turned into one of run")


def wants_help(words: Sequence[str]) -> bool:
    """Whether the words after ``resume`` ask for its help."""
    return any(word in ("-h", "--help") for word in words)


_DECISIONS = {"--resume": 1, "--rerun": 1, "--accept": 1, "--answer": 2}
"""Options that hold for one process alone, and how many values they have."""
_FLAGS_OF_RUN = frozenset(
    {"-x", "--exitfirst", "--yes", "-v", "--verbose", "--strict-budget", "--no-cache"}
)
_OPTIONS_OF_RUN = frozenset({"--maxfail", "--progress"})


def line_of_plan(words: Sequence[str]) -> list[str]:
    """The words after ``orchcore`` that show what ``--resume RUN``, which is in *words*, would do.

    Raises:
        UsageError: As ``line_of_run``.
    """
    rest = list(words)
    at = next(n for n, word in enumerate(rest) if word.partition("=")[0] == "--resume")
    _, equals, run = rest[at].partition("=")
    run = run if equals else "".join(rest[at + 1 : at + 2])
    del rest[at : at + (1 if equals else 2)]
    line = iter(line_of_run([run, *rest])[1:])
    kept = ["plan"]
    for word in line:
        name, equals, _ = word.partition("=")
        if name != "--resume" and name in (*_OPTIONS_OF_RUN, *_DECISIONS):
            for _ in range(_DECISIONS.get(name, 1) - bool(equals)):
                next(line, None)
        elif word not in _FLAGS_OF_RUN:
            kept.append(word)
    return kept


def line_of_run(words: Sequence[str]) -> list[str]:
    """The words after ``orchcore`` that go on with a run.

    The working directory becomes that of the run, since its words may be relative to it.

    Args:
        words: Those after ``resume``.

    Raises:
        UsageError: There is no such run, it was not started by a command line, or a secret has to
            be given again.
    """
    from orchcore.cli.recorded import project_folder
    from orchcore.journal.folder import ProjectFolder
    from orchcore.journal.reader import read_summary

    asked, added = "latest", list(words)
    if added and _RUN.fullmatch(added[0]):
        asked = added.pop(0)
    file = _taken_file(added)
    project = ProjectFolder.seen(project_folder(file, Path.cwd()))
    summary = read_summary(project.find_run(asked))
    program, *recorded = summary.argv or ("",)
    if PurePath(program).name not in _PROGRAMS:
        hint = f"resume it there:   run(..., resume={summary.id!r})"
        message = f"run {summary.id} was started by a program of its own, {shell_word(program)}"
        raise UsageError(Problem("usage", message, None, (hint,)))
    line = ["run", *_words(recorded, added, summary.id), *added, "--resume", summary.id]
    if summary.cwd.is_dir():
        os.chdir(summary.cwd)
    sys.argv[1:] = line  # what is recorded, so that the next resume finds it
    return line


def _taken_file(words: list[str]) -> str | None:
    """The value of ``-f``, which says where the project is; taken out of *words*."""
    for at, word in enumerate(words[:-1]):
        if word in ("-f", "--file"):
            file = words[at + 1]
            del words[at : at + 2]
            return file
    return None


def _words(recorded: Sequence[str], added: Sequence[str], run: str) -> Iterator[str]:
    """*recorded* without what was not recorded, and without the run that it went on with."""
    words = list(recorded[1:] if recorded[:1] == ["run"] else recorded)
    given = {word.partition("=")[0] for word in added}
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        in_next = not value and name.startswith("--") and words[:1] in ([_HIDDEN], ["-"])
        if name in _DECISIONS:
            del words[: _DECISIONS[name] - bool(value)]
        elif value == _HIDDEN or in_next:
            del words[: int(in_next)]
            if name not in given:
                raise UsageError(_not_recorded(name, run))
        else:
            yield word


def _not_recorded(name: str, run: str) -> Problem:
    message = f"the value of {name} was not recorded: it is secret, or came from stdin"
    hint = f"give it again:   orchcore resume {run} {name} ..."
    return Problem("parameter", message, None, (hint,))
