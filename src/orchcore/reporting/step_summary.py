"""The page GitHub shows for a step: a table of all nodes, in Markdown."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from itertools import islice
from pathlib import Path

from orchcore.reporting.figures import shown_cost, shown_duration
from orchcore.reporting.glyphs import STATE_STYLE, glyphs_for
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.sanitize import clean_line
from orchcore.reporting.story import Story
from orchcore.reporting.wording import cost_text, ended_text

_ROWS = 500
"""GitHub takes 1 MiB per step; a cell has at most 300 characters."""


def write_step_summary(story: Story, environ: Mapping[str, str]) -> str:
    """Appends the table to the file that ``GITHUB_STEP_SUMMARY`` names, if it names one.

    Returns:
        A line to print if that could not be done, else nothing.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return ""
    try:
        with Path(path).open("a", encoding="utf-8", errors="replace") as page:
            page.write(step_summary(story))
    except OSError as error:
        return f"! GITHUB_STEP_SUMMARY cannot be written: {clean_line(str(error))}\n"
    return ""


def step_summary(story: Story) -> str:
    """The run as a heading, a tally and a table; what agents wrote is text in it, never markup."""
    return "\n".join(_lines(story)) + "\n"


def _lines(story: Story) -> Iterator[str]:
    tally = ", ".join(f"{count} {state}" for state, count in story.tally().items())
    cost = shown_cost(story.cost_usd(), story.unpriced_turns())
    facts = [f"{tally} in {shown_duration(story.elapsed_s(0.0))}", cost]
    facts += map(_cell, story.ended.faults if story.ended else ())
    if story.simulated():
        facts.append("**simulated**: the demo agent made its answers up")
    name = story.run.orchfile if story.run else "run"
    yield from (f"### orchcore: {_cell(name)}", "", " · ".join(filter(None, facts)), "")
    yield from ("| | node | time | cost | |", "|---|---|---|---|---|")
    leaves = list(story.told)
    yield from (_row(leaf, story) for leaf in islice(leaves, _ROWS))
    if len(leaves) > _ROWS:
        yield f"| | and {len(leaves) - _ROWS} more | | | |"
    yield ""


def _row(leaf: Leaf, story: Story) -> str:
    sign = glyphs_for(None).states[leaf.state] if leaf.state in STATE_STYLE else ""
    time = shown_duration(leaf.elapsed_s(0.0)) if leaf.end is not None else ""
    cells = (sign, leaf.id, time, cost_text(leaf), ended_text(leaf, story) or leaf.state)
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """*text* with everything that Markdown or HTML would read escaped."""
    return re.sub(
        r"([\\`*_{}\[\]()#+!|~@$:-])", r"\\\1", escape(clean_line(text)[:300], quote=False)
    )
