"""``stop``, ``pause``, ``continue`` and ``reap``: another terminal's hand on a run."""

import asyncio
import os
import signal
import time
from contextlib import suppress

import click

from orchcore.cli.output import say, say_lines
from orchcore.cli.recorded import project_at
from orchcore.cli.resuming import is_ours
from orchcore.cli.shared_options import in_project
from orchcore.errors import Problem, UsageError, shell_word
from orchcore.journal.record import RunSummary

_ORDERLY_S = 35.0
_LOOK_S = 0.1
_SAME_START_S = 2.0


@click.command(
    "stop",
    help="""End a run in order, from another terminal, and wait until it has ended.

As ^C would: nothing new starts, agents are ended, tear-downs run, the record is closed. It can be
resumed. With --now agents are killed at once. A program that uses orchcore as a library ends its
runs itself.

\b
Example:
  orchcore stop 7f3c
""",
)
@in_project
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--now", is_flag=True, help="Kill its agents instead of ending them.")
def stop_command(file: str | None, run: str, now: bool) -> None:
    """Sends the signal and waits."""
    summary = _running(file, run)
    pid = _orchestrator(summary)
    if not is_ours(summary.argv[0]):
        program = " ".join(map(shell_word, summary.argv[:3]))
        message = f"run {summary.id} is a program's own ({program}): that ends it, not orchcore"
        hint = f"if it may be ended as a whole:   kill {pid}"
        raise UsageError(Problem("usage", message, None, (hint,)))
    os.kill(pid, signal.SIGTERM)
    if now:
        time.sleep(0.5)  # signals that come together are one
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + _ORDERLY_S
    while (state := _summary(file, summary.id)).state == "running":
        if time.monotonic() > until:
            hint = f"kill its agents:   orchcore stop {summary.id} --now"
            message = f"run {summary.id} has not ended after {_ORDERLY_S:g} s"
            raise UsageError(Problem("run-in-use", message, None, (hint,)))
        time.sleep(_LOOK_S)
    code = "" if state.exit_code is None else f" with exit code {state.exit_code}"
    say(f"run {summary.id} has {state.state}{code}; go on:   orchcore resume {summary.id}\n")


@click.command(
    "pause",
    help="""Let a run start no further turns; those that run finish. `orchcore continue` lifts it.

\b
Example:
  orchcore pause 7f3c
""",
)
@in_project
@click.argument("run", default="latest", metavar="[RUN]")
def pause_command(file: str | None, run: str) -> None:
    """Leaves the mark that the run looks for."""
    summary = _running(file, run)
    summary.folder.pause_mark.touch(mode=0o600)
    say(f"run {summary.id} starts no further turn until   orchcore continue {summary.id}\n")


@click.command("continue", help="Let a paused run start turns again.")
@in_project
@click.argument("run", default="latest", metavar="[RUN]")
def continue_command(file: str | None, run: str) -> None:
    """Takes the mark away."""
    summary = _running(file, run)
    summary.folder.pause_mark.unlink(missing_ok=True)
    say(f"run {summary.id} goes on\n")


@click.command(
    "reap",
    help="""Kill and report what dead runs of this project left running.

A run is dead if its process is gone and has not written its end. What its agents started is known
by a mark that they bear; nothing else is touched. The next resume of a run does the same for it.
""",
)
@in_project
def reap_command(file: str | None) -> None:
    """Looks through all dead runs."""
    from orchcore.journal.reader import runs

    project = project_at(file)
    dead = [summary for summary in runs(project) if summary.state == "died"]
    found = [line for summary in dead for line in asyncio.run(_reaped(summary))]
    say_lines(found or ["nothing was left running"])


async def _reaped(summary: RunSummary) -> list[str]:
    from orchcore.agents.claims import Tree
    from orchcore.agents.process_table import command_line
    from orchcore.agents.tree import Trees
    from orchcore.journal.past import read_past

    trees = Trees(of_others=True)
    told: list[str] = []
    for marker in {begun.marker for begun in read_past(summary.folder).cut.values()} - {""}:
        tree = Tree(marker)
        trees.add(tree)
        await trees.look()
        told += [f"{summary.id}: {one.pid} {command_line(one.pid)}" for one in tree.members]
        left = await trees.end(tree, grace_s=2.0)
        told += [f"{summary.id}: {one.pid} could not be ended: {one.command}" for one in left]
        trees.remove(tree)
    return told


def _summary(file: str | None, run: str) -> RunSummary:
    from orchcore.journal.reader import read_summary

    project = project_at(file)
    return read_summary(project.find_run(run))


def _running(file: str | None, run: str) -> RunSummary:
    summary = _summary(file, run)
    if summary.state != "running":
        hint = f"look at it:   orchcore show {summary.id}"
        message = f"run {summary.id} does not run: it has {summary.state}"
        raise UsageError(Problem("unknown-target", message, None, (hint,)))
    return summary


def _orchestrator(summary: RunSummary) -> int:
    """The process that works on the run, if its number is still its own."""
    import psutil

    pid = summary.pid or 0
    try:
        started = psutil.Process(pid).create_time()
    except psutil.Error:
        started = 0.0
    if abs(started - summary.pid_started) > _SAME_START_S:
        message = f"process {pid} is not the one that works on run {summary.id}: another machine's?"
        raise UsageError(Problem("run-in-use", message))
    return pid
