"""``approve``: answers a gate of a run that waits for it."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from orchcore.cli.output import say, say_lines
from orchcore.cli.recorded import project_at
from orchcore.cli.shared_options import in_project
from orchcore.errors import OrchcoreError, Problem, UsageError, did_you_mean, shown_path
from orchcore.events import ApprovalAsked
from orchcore.journal.run_folder import RunFolder


@click.command(
    "approve",
    help="""Answer a gate of a run that waits for it, from any terminal, or show what waits.

Without an answer the gates that wait are shown, each with its value. The answer is for the value
that was shown: if that has changed by then, it is asked again. A run that asks at its own terminal
takes it at once, another one when it goes on:  orchcore resume RUN.

\b
Examples:
  orchcore approve                                    what waits in the latest run
  orchcore approve 7f3c approved --yes
  orchcore approve 7f3c approved --edit plan.json     another value, checked by its type
  orchcore approve 7f3c approved --revise "fewer steps"
""",
)
@in_project
@click.argument("run", default="latest", metavar="[RUN]")
@click.argument("gate", required=False)
@click.option("--yes", is_flag=True, help="The value goes on.")
@click.option("--no", is_flag=True, help="What needs it is skipped; the run exits 1.")
@click.option(
    "--edit",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The JSON value in FILE goes on in its place.",
)
@click.option("--revise", metavar="COMMENT", help="The agent before it does it again.")
@click.option("--by", metavar="NAME", help="Who answers; by default you.")
def approve_command(file: str | None, run: str, gate: str | None, **said: Any) -> None:
    """Leaves the answer for the run, or shows what waits."""
    from orchcore.cli.approving import user
    from orchcore.cli.run_records import mask_of
    from orchcore.journal.decisions import Decision, leave
    from orchcore.journal.past import read_past
    from orchcore.journal.reader import read_run, read_summary

    project = project_at(file)
    folder = project.find_run(run)
    past = read_past(folder)
    asked = past.asked
    answers = [name for name in ("yes", "no", "edit", "revise") if said[name]]
    if not answers:
        mask = mask_of(read_run(folder), os.environ)
        say_lines(mask(line) for line in _waiting(folder, asked, gate))
        return
    if len(answers) > 1:
        raise UsageError(Problem("usage", "one answer at a time: --yes, --no, --edit or --revise"))
    known = past.questions if gate in past.questions else asked  # also one that was answered
    question = _one(folder, known, gate)
    edited = None if said["edit"] is None else _edited(folder, question, said["edit"])
    decision = Decision(
        question.digest,
        approved=said["yes"] or edited is not None,
        by=said["by"] or user(),
        at=time.time(),
        edited=edited,
        comment=said["revise"] or "",
    )
    leave(decision, folder.answer_file(question.node))
    runs = read_summary(folder).state == "running"
    how = "the run takes it if it asks at a terminal, else go on" if runs else "go on"
    say(f"answered by {decision.by}; {how}:   orchcore resume {folder.id}\n")


def _one(folder: RunFolder, asked: Mapping[str, ApprovalAsked], gate: str | None) -> ApprovalAsked:
    if gate is None and len(asked) == 1:
        return next(iter(asked.values()))
    if gate is not None and gate in asked:
        return asked[gate]
    if not asked:
        hint = f"look at it:   orchcore show {folder.id}"
        message = f"no gate of run {folder.id} waits for an answer"
        raise UsageError(Problem("unknown-target", message, None, (hint,)))
    if gate is None:
        message = f"several gates of run {folder.id} wait: {', '.join(asked)}"
        hint = f"name one:   orchcore approve {folder.id} {next(iter(asked))} --yes"
        raise UsageError(Problem("unknown-target", message, None, (hint,)))
    message = f"no gate {gate!r} of run {folder.id} waits for an answer"
    raise UsageError(Problem("unknown-target", message, None, did_you_mean(gate, asked)))


def _waiting(
    folder: RunFolder, asked: Mapping[str, ApprovalAsked], gate: str | None
) -> Iterator[str]:
    from orchcore.journal.decisions import left
    from orchcore.reporting.sanitize import clean_line, clean_lines

    if gate is not None or not asked:
        asked = {} if not asked else {(one := _one(folder, asked, gate)).node: one}
    if not asked:
        yield f"no gate of run {folder.id} waits for an answer"
    for question in asked.values():
        yield f"{question.node}: {clean_line(question.question)}"
        yield from (f"  {line}" for line in clean_lines(question.value))
        decision = left(folder.answer_file(question.node))
        if decision is not None and decision.digest == question.digest:
            what = "yes" if decision.approved else "no"
            what = "edited" if decision.edited is not None else what
            what = f"to be revised ({decision.comment})" if decision.comment else what
            yield f"answered {what} by {decision.by}; go on:   orchcore resume {folder.id}"
        else:
            others = "--no, --edit FILE, --revise COMMENT"
            yield f"answer:   orchcore approve {folder.id} {question.node} --yes   (or {others})"


def _edited(folder: RunFolder, question: ApprovalAsked, file: Path) -> str:
    """What *file* holds, if it is a value of the gate's type."""
    from pydantic import TypeAdapter, ValidationError

    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(Problem("usage", f"{shown_path(file)}: {error}")) from None
    kind = _kind(folder, question.node)
    try:
        TypeAdapter[Any](Any if kind is None else kind).validate_json(text)
    except ValidationError as error:
        name = getattr(kind, "__name__", str(kind))
        hints = tuple(
            f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg']}"
            for one in error.errors(include_url=False)[:5]
        )
        message = f"{shown_path(file)} holds no {name}"
        raise UsageError(Problem("output", message, None, hints)) from None
    return text


def _kind(folder: RunFolder, gate: str) -> Any:
    """The type of the gate's value, as its orchfile says; ``None`` if that cannot be told."""
    from orchcore.collection.gathering import collect
    from orchcore.journal.reader import read_summary
    from orchcore.planning.drafting import Request, draft

    summary = read_summary(folder)
    try:
        collection = collect((), summary.orchfile, summary.cwd)
        return draft(collection, Request(complete=False)).node(gate.partition(":")[0]).returns
    except (OrchcoreError, KeyError):
        return None  # it is checked again when the run goes on
