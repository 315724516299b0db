"""A recorded run as lines for people and as JSON for programs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchcore.config import Config, load_config
from orchcore.errors import OrchcoreError, shown_path
from orchcore.events import RunStarted, event_json
from orchcore.execution.secrecy import secrets_of_agents
from orchcore.journal.record import (
    RecordedResult,
    RecordedStep,
    RecordedTurn,
    RunRecord,
    RunSummary,
)
from orchcore.reporting.figures import shown_cost, shown_duration
from orchcore.reporting.glyphs import Glyphs, glyphs_for
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.masked_events import masked
from orchcore.reporting.masking import Mask
from orchcore.reporting.story import TALLIED, Story
from orchcore.reporting.styled import Line
from orchcore.reporting.summary import summary
from orchcore.reporting.wording import Row, handled_text, header, row_of

SCHEMA_VERSION = 1
"""Counts the breaking changes of the JSON forms."""

_ID_CELLS = 40


def summary_row(run: RunSummary, now: float) -> tuple[str, ...]:
    """``("7f3c", "ended", "exit 1", "2 passed, 1 failed", ...)``: one run as columns.

    Args:
        run: The run.
        now: Unix seconds, for how long a running one runs.
    """
    counts = ", ".join(f"{run.states[s]} {s}" for s in TALLIED if run.states.get(s))
    paused = run.state == "running" and run.folder.pause_mark.exists()
    return (
        run.id,
        f"{run.state}, paused" if paused else run.state,
        "" if run.exit_code is None else f"exit {run.exit_code}",
        _shown_start(run.started_at) if run.started_at else "",
        shown_duration(run.duration_s(now)) if run.started_at else "",
        shown_path(Path(run.orchfile)) if run.orchfile else "",
        "; ".join((run.reason or counts, *run.faults)),
        shown_cost(run.cost_usd or None, run.unpriced_turns),
        "simulated" if run.simulated else "",
    )


def summary_json(run: RunSummary) -> str:
    """One run as one line of JSON."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **_summary_data(run)})


def mask_of(record: RunRecord, environ: Mapping[str, str]) -> Mask:
    """What is hidden of a run when it is looked at later, by another process.

    That are values in *environ* of the variables that the run hid, and what is secret in the
    configuration. Values of the command line are known to nobody any more.
    """
    names = {
        name
        for numbered in record.events
        if isinstance(numbered.event, RunStarted)
        for name in numbered.event.secrets
    }
    config = Config()
    with suppress(OrchcoreError):  # it need not be right any more
        config = load_config(Path(record.summary.orchfile).parent)
    now = secrets_of_agents(config, {}, environ)
    return Mask.of({*now.values, *(environ[name] for name in names if name in environ)})


def record_json(record: RunRecord, mask: Mask) -> str:
    """Everything recorded of a run as JSON, masked, with its last line end.

    Values and answers, which are JSON themselves, are parts of it and not texts in it.
    """
    data = {
        "schema_version": SCHEMA_VERSION,
        "summary": _summary_data(record.summary),
        "results": [_data(result, "value") for result in record.results],
        "turns": [_data(turn, "answer") for turn in record.turns],
        "steps": [_data(step, "value") for step in record.steps],
        "events": [
            {"seq": numbered.seq, **json.loads(event_json(numbered.event))}
            for numbered in record.events
        ],
    }
    return json.dumps(mask.data(data) if mask else data, indent=2) + "\n"


def record_lines(record: RunRecord, mask: Mask, encoding: str | None, now: float) -> list[Line]:
    """A run as its display would have left it: a header, a row for each node, the summary.

    Args:
        record: The run.
        mask: Hides what is secret.
        encoding: What the output can write.
        now: Unix seconds, for what still runs.
    """
    story = Story()
    for numbered in record.events:
        story.tell(masked(numbered.event, mask) if mask else numbered.event)
    glyphs = glyphs_for(encoding)
    if story.run is None:
        return [((_unrecorded(record.summary), ""),)]
    if record.summary.state == "died":
        story.give_up()
    elif record.summary.state == "running":
        story.fate = "goes on"
    when = now if record.summary.state == "running" else record.summary.last_at
    cells = min(max((len(leaf.id) for leaf in story.leaves), default=0), _ID_CELLS)
    rows = [line for leaf in story.told for line in _leaf_lines(leaf, story, when, glyphs, cells)]
    place: Line = ((f"{shown_path(record.summary.folder.path)}/", "dim"),)
    ending = [line for line in summary(story, glyphs, when) if not _points_here(line)]
    return [header(story.run, story, glyphs), *rows, *ending, place]


def _unrecorded(run: RunSummary) -> str:
    if run.state == "running":
        return f"run {run.id} is starting: nothing of it is recorded yet"
    return f"run {run.id} {run.state}, and nothing of it was recorded (was the disk full?)"


def _leaf_lines(
    leaf: Leaf, story: Story, now: float, glyphs: Glyphs, id_cells: int
) -> Iterator[Line]:
    yield _row(_still(leaf, story, now, glyphs), id_cells)
    for text in handled_text(leaf):
        yield ((f"   {'':<{id_cells}}  ! {text}", "yellow"),)


def _still(leaf: Leaf, story: Story, now: float, glyphs: Glyphs) -> Row:
    """*leaf*'s row where nothing moves, and where what an agent writes is not known."""
    still = replace(glyphs, spinner=glyphs.states["running"])
    row = row_of(leaf, story, now, still)
    return row if leaf.ended else replace(row, note="")


def _row(row: Row, id_cells: int) -> Line:
    text = f"{row.id:<{id_cells}}  {row.time:<6}{row.cost:<8}{row.marked_text}"
    note = f"  {row.note}" if row.note else ""
    return (
        (f" {row.glyph} ", row.style),
        (text, "dim" if row.style == "dim" else ""),
        (note, "dim"),
    )


def _points_here(line: Line) -> bool:
    return bool(line) and line[0][0] == "details: "


def _summary_data(run: RunSummary) -> dict[str, object]:
    data = asdict(run)
    data["folder"], data["cwd"] = str(run.folder.path), str(run.cwd)
    return {"run": run.id, **data}


def _data(
    recorded: RecordedResult | RecordedTurn | RecordedStep, json_field: str
) -> dict[str, object]:
    data: dict[str, Any] = asdict(recorded)
    text = data[json_field]
    data[json_field] = None if text is None else json.loads(text)
    return data


def _shown_start(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
