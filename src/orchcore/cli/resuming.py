"""``resume``: the recorded command line again, with ``--resume``."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

import click

from orchcore.errors import Problem, UsageError, shell_word

RUN_WORD = re.compile(r"[0-9a-f]{1,32}|latest")
"""What may be the id of a run, or the beginning of one."""
_HIDDEN = "***"


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
  orchcore resume 7f3c -f ../other       the run of another project
""",
    context_settings={"ignore_unknown_options": True},
    options_metavar="",
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


_OF_ONE_PROCESS = {"--resume": 1, "--rerun": 1, "--accept": 1, "--answer": 2}
"""Options that hold for one process alone, and how many values they have."""


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
    return ["plan", *line_of_run([run, *rest])[1:]]


def line_of_run(words: Sequence[str]) -> list[str]:
    """The words after ``orchcore`` that go on with a run.

    The working directory becomes that of the run, since its words may be relative to it.

    Args:
        words: Those after ``resume``.

    Raises:
        UsageError: There is no such run, it was not started by a command line, or a secret has to
            be given again.
    """
    from orchcore.cli.recorded import project_at
    from orchcore.journal.reader import read_summary

    asked, added = "latest", list(words)
    if added and RUN_WORD.fullmatch(added[0]):
        asked = added.pop(0)
    project = project_at(_taken_file(added))
    summary = read_summary(project.find_run(asked))
    program, *recorded = summary.argv or ("",)
    if not is_ours(program):
        hint = f"resume it there:   run(..., resume={summary.id!r})"
        message = f"run {summary.id} was started by a program of its own, {shell_word(program)}"
        raise UsageError(Problem("usage", message, None, (hint,)))
    added = list(_in_place(added))
    kept = list(_words(recorded, added, summary.id))
    end = kept.index("--") if "--" in kept else len(kept)
    line = ["run", "--resume", summary.id, *kept[:end], *added, *kept[end:]]
    if summary.cwd.is_dir():
        os.chdir(summary.cwd)
    sys.argv[1:] = line  # what is recorded, so that the next resume finds it
    return line


def is_ours(program: str) -> bool:
    """Whether *program*, the first word of a command line, is orchcore's own."""
    path = PurePath(program)
    return path.name == "orchcore" or path.parts[-2:] == ("orchcore", "__main__.py")


def _taken_file(words: list[str]) -> str | None:
    """The value of ``-f``, which says where the project is; taken out of *words*."""
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--file" and equals:
            del words[at]
            return value
        if word in ("-f", "--file") and words[at + 1 :]:
            file = words[at + 1]
            del words[at : at + 2]
            return file
    return None


def _in_place(words: Sequence[str]) -> Iterator[str]:
    """*words*, in which files are named by whole paths: they are read in another directory."""
    answer = 0
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--answer":
            answer = 3
        if answer == 1:
            yield str(Path(word).absolute())
        elif equals and name.startswith("--") and _is_file(value):
            yield f"{name}=@{Path(value[1:]).absolute()}"
        else:
            yield f"@{Path(word[1:]).absolute()}" if _is_file(word) else word
        answer = max(0, answer - 1)


def _is_file(value: str) -> bool:
    return value.startswith("@") and not value.startswith("@@")


def _words(recorded: Sequence[str], added: Sequence[str], run: str) -> Iterator[str]:
    """*recorded* without what was not recorded, and without the run that it went on with."""
    words = list(recorded[1:] if recorded[:1] == ["run"] else recorded)
    given = {word.partition("=")[0] for word in added}
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        in_next = not value and name.startswith("--") and _is_lost(words[:1])
        if name in _OF_ONE_PROCESS:
            del words[: _OF_ONE_PROCESS[name] - bool(value)]
        elif in_next or _is_lost([word]):
            del words[: int(in_next)]
            if name not in given:
                raise UsageError(_not_recorded(name, run))
        else:
            yield word


def _is_lost(words: Iterable[str]) -> bool:
    """Whether one of *words* holds what was hidden, or stands for what came from stdin."""
    return any(_HIDDEN in word or word == "-" for word in words)


def _not_recorded(name: str, run: str) -> Problem:
    if not name.startswith("--"):
        return Problem("usage", f"a word of run {run} was not recorded: it holds a secret")
    message = f"the value of {name} was not recorded: it is secret, or came from stdin"
    hint = f"give it again:   orchcore resume {run} {name} ..."
    return Problem("parameter", message, None, (hint,))
