"""``runs`` and ``show``: recorded runs, also while they go on. No orchfile is imported."""

import os
import sys
import time
from pathlib import Path

import click

from orchcore.cli.output import say, say_lines
from orchcore.cli.shared_options import in_project
from orchcore.collection.discovery import ORCHFILE
from orchcore.config import ensure_trusted, load_config, upwards
from orchcore.errors import Problem, UsageError, shown_path
from orchcore.journal.folder import ProjectFolder


@click.command("runs")
@in_project
@click.option("-n", "--last", type=click.IntRange(min=1), metavar="N", help="Only the last N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run and line.")
def runs_command(file: str | None, last: int | None, as_json: bool) -> None:
    """List the recorded runs of this project, those last started first."""
    from orchcore.cli.run_records import summary_json, summary_row
    from orchcore.journal.reader import runs
    from orchcore.planning.drawing import columns

    project = project_at(file)
    found = runs(project)[:last]
    if as_json:
        say("".join(f"{summary_json(one)}\n" for one in found))
    elif found:
        say_lines(columns([summary_row(one, time.time()) for one in found]).splitlines())
    else:
        say(f"nothing is recorded in {shown_path(project.path)} yet; start a run: orchcore run\n")


@click.command("show")
@in_project
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--json", "as_json", is_flag=True, help="Everything that is recorded, as JSON.")
def show_command(file: str | None, run: str, as_json: bool) -> None:
    """Show a recorded run.

    RUN is its id, the beginning of one, or `latest`, which is what is shown without it.
    """
    from orchcore.cli.run_records import mask_of, record_json, record_lines
    from orchcore.journal.reader import read_run
    from orchcore.reporting.styled import painted_lines, wants_colour

    project = project_at(file)
    record = read_run(project.find_run(run))
    mask = mask_of(record, os.environ)
    if as_json:
        say(record_json(record, mask))
        return
    lines = record_lines(record, mask, sys.stdout.encoding, time.time())
    say(painted_lines(lines, colour=wants_colour(sys.stdout, os.environ)))


def project_at(file: str | None) -> ProjectFolder:
    """The project of *file*, else the nearest from here upwards, to look at its runs.

    Raises:
        UsageError: As ``project_folder``.
    """
    return ProjectFolder.seen(project_folder(file, Path.cwd()))


def project_folder(file: str | None, cwd: Path) -> Path:
    """The folder whose runs are meant: of *file*, else the nearest that has an orchfile or runs.

    Raises:
        UsageError: There is no *file*, or what was found there belongs to somebody else.
    """
    if file is not None:
        path = cwd / file
        if not path.exists() and not (path.resolve().parent / ".orchcore").is_dir():
            raise UsageError(Problem("no-orchfile", f"no file {path}"))
        return path if path.is_dir() else path.resolve().parent
    for folder in upwards(cwd):
        if (folder / ORCHFILE).is_file() or (folder / ".orchcore").is_dir():
            if (folder / ".orchcore").is_dir():
                ensure_trusted(folder / ".orchcore")
            return folder
    config = load_config(cwd)
    if config.path is not None and config.settings.orchfile is not None:
        return (config.path.parent / config.settings.orchfile).parent
    return cwd
