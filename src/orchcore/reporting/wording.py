"""The words of a row: what each node or instance is said to do, in every mode the same."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchcore.errors import shown_path
from orchcore.events import LoopSuspected, RunStarted
from orchcore.reporting.figures import (
    counted,
    shown_clock,
    shown_dollars,
    shown_duration,
    shown_seconds,
)
from orchcore.reporting.glyphs import STATE_STYLE, Glyphs
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.sanitize import clean_lines
from orchcore.reporting.story import Story
from orchcore.reporting.styled import Line, Style

_PLACE = re.compile(r"\.py:\d+")
_UNTIMED = frozenset({"skipped", "blocked", "paused"})
_QUIET_S = 3.0
"""Silence that is not worth mentioning."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a display, in columns.

    Attributes:
        time: Empty for what has not started.
        cost: Empty for what cost nothing, or nothing known.
        note: For the right margin; the first thing left out when it is narrow.
        mark: Follows the text, and is kept when that is cut.
    """

    glyph: str
    style: Style
    id: str
    time: str
    cost: str
    text: str
    note: str = ""
    mark: str = ""

    @property
    def marked_text(self) -> str:
        """Text and mark."""
        return " ".join(filter(None, (self.text, self.mark)))


def header(run: RunStarted, story: Story, glyphs: Glyphs, cells: int | None = None) -> Line:
    """``orchcore 0.1 · orchfile.py · 6 phases, 8 instances · -j 4 · run 7f3c``.

    In less than *cells* it says less, but never leaves the run out.
    """
    phases, leaves = len(story.nodes), sum(1 for _ in story.leaves)
    size = counted(phases, "phase")
    if leaves != phases:
        size += f", {counted(leaves, 'instance')}"
    orchfile = shown_path(Path(run.orchfile))
    jobs, run_id = f"-j {run.jobs}" if run.jobs else "", f"run {run.run}"
    dot, name = f" {glyphs.dot} ", f" {_version()}"
    for parts in ((orchfile, size, jobs, run_id), (orchfile, run_id), (run_id,)):
        text = dot.join(filter(None, (name, *parts)))
        if cells is None or len("orchcore") + len(text) <= cells:
            break
    return (("orchcore", "bold"), (text, ""))


def row_of(leaf: Leaf, story: Story, now: float, glyphs: Glyphs) -> Row:
    """What is to be said of *leaf* at *now* (unix seconds)."""
    if leaf.ended:
        return _ended_row(leaf, story, glyphs)
    if leaf.state == "waiting":
        return Row(glyphs.states["waiting"], "dim", leaf.id, "", "", waiting_text(leaf, story))
    glyph, style, text = _doing(leaf, now, glyphs)
    return Row(
        glyph,
        style,
        leaf.id,
        shown_seconds(leaf.elapsed_s(now)),
        cost_text(leaf),
        text,
        _idle_note(leaf, now),
    )


def ended_text(leaf: Leaf, story: Story) -> str:
    """What came of *leaf*, in one line: its result in a few words, or why there is none."""
    end = leaf.end
    if end is None:
        return _unended_text(leaf, story)
    return " ".join(filter(None, (_outcome(leaf, story), _mark(leaf))))


def _unended_text(leaf: Leaf, story: Story) -> str:
    """Of what ended without an event of its own: with its node, or with the run's process."""
    if story.fate == "died":
        return "not run" if leaf.started_at is None else "interrupted: the run's process died"
    return f"not run: {leaf.node} {leaf.state}" if leaf.id != leaf.node else ""


def reason_of(leaf: Leaf) -> str:
    """Why *leaf* did not pass, in one line; empty when that was not told."""
    end = leaf.end
    if end is None:
        return ""
    return _first_line(end.reason) or (str(end.failure) if end.failure else "")


def handled_text(leaf: Leaf) -> Iterator[str]:
    """``turn-1 failed (handled): stalled: ...``: what failed in the body of what passed."""
    if leaf.state == "passed":
        for what, failure in leaf.failures.items():
            yield f"{what} failed (handled): {failure}"


def waiting_text(leaf: Leaf, story: Story) -> str:
    """``waiting for review:*``, or that it is its turn as soon as there is room."""
    if leaf.queued:
        return "waiting for a free slot"
    if awaited := story.awaited(leaf):
        return f"waiting for {', '.join(awaited)}"
    return "waiting for its turn" if leaf.id != leaf.node else "about to start"


def cost_text(leaf: Leaf) -> str:
    """``$0.84``; ``$?`` where only unpriced turns ran; ``$0.84+?`` where some did."""
    known = leaf.cost_usd
    if leaf.unpriced_turns:
        return f"{shown_dollars(known)}+?" if known else "$?"
    return "" if known is None else shown_dollars(known)


def retry_text(leaf: Leaf, now: float) -> str:
    """``attempt 2 of 3 in 12s: stalled: said nothing for 120 s``; empty when none is due."""
    retry = leaf.retry
    if retry is None:
        return ""
    left_s = retry.at + retry.delay_s - now
    when = f"in {shown_seconds(left_s + 0.999)}" if left_s > 0 else "now"
    return f"attempt {retry.attempt + 1} of {retry.attempts} {when}: {retry.failure}"


def limit_text(leaf: Leaf, now: float) -> str:
    """``claude is rate-limited until 14:20 (12m)``."""
    text = f"{leaf.agent or 'the agent'} is rate-limited"
    until = leaf.limited_until
    if until is None or until <= now:
        return text
    return f"{text} until {shown_clock(until)} ({shown_seconds(until - now)})"


def loop_text(event: LoopSuspected) -> str:
    """``has called Bash 5 times with the same input (npm test): a loop?``."""
    shown = _first_line(event.summary)
    told = f" ({shown})" if shown else ""
    return f"has called {event.tool} {event.count} times with the same input{told}: a loop?"


def _doing(leaf: Leaf, now: float, glyphs: Glyphs) -> tuple[str, Style, str]:
    if leaf.question:
        return glyphs.asks, "bold yellow", f"waits for you: {_first_line(leaf.question)}"
    if leaf.retry is not None:
        return glyphs.retry, "yellow", retry_text(leaf, now)
    if leaf.limited:
        return glyphs.limited, "yellow", limit_text(leaf, now)
    turn = glyphs.spinner[int(now * 5) % len(glyphs.spinner)]
    return turn, "cyan", activity_text(leaf, glyphs)


def activity_text(leaf: Leaf, glyphs: Glyphs) -> str:
    """``▸ Editing src/auth.py``, or the line the agent is writing."""
    attempt = f"(attempt {leaf.attempt}) " if leaf.attempt > 1 else ""
    if leaf.activity:
        return f"{attempt}{glyphs.arrow} {_first_line(leaf.activity)}"
    written = [line for line in clean_lines(leaf.wrote) if line.strip()]
    return attempt + (written[-1].strip() if written else "")


def _ended_row(leaf: Leaf, story: Story, glyphs: Glyphs) -> Row:
    ran = leaf.end is not None and (leaf.started_at is not None or leaf.end.duration_s > 0)
    timed = ran and leaf.state not in _UNTIMED and not leaf.answered_by
    return Row(
        glyphs.states[leaf.state],
        STATE_STYLE[leaf.state],
        leaf.id,
        shown_duration(leaf.elapsed_s(0.0)) if timed else "",
        cost_text(leaf),
        _unended_text(leaf, story) if leaf.end is None else _outcome(leaf, story),
        _place(leaf, story),
        _mark(leaf),
    )


def _mark(leaf: Leaf) -> str:
    reused = f"{counted(leaf.reused_turns, 'turn')} reused" if leaf.reused_turns else ""
    told = ", ".join(filter(None, (reused, "simulated" if leaf.simulated else "")))
    return f"({told})" if told else ""


def _place(leaf: Leaf, story: Story) -> str:
    """Where a skipped node is declared, unless its reason says where it was decided."""
    told = _PLACE.search(reason_of(leaf)) is not None
    return story.node_of(leaf).drawn.where if leaf.state == "skipped" and not told else ""


def _outcome(leaf: Leaf, story: Story) -> str:
    if leaf.state == "passed" and leaf.answered_by:
        return f"by {leaf.answered_by}"
    brief = _first_line(leaf.end.brief) if leaf.end else ""
    if leaf.state == "passed":
        return brief
    if leaf.state == "reused":
        why = reason_of(leaf)
        return f"{why}: {brief}" if brief and why else f"reused: {brief or why}".rstrip(": ")
    tolerated = leaf.state == "failed" and story.node_of(leaf).drawn.optional
    return f"{leaf.state}{' (optional)' if tolerated else ''}: {reason_of(leaf)}".rstrip(": ")


def _idle_note(leaf: Leaf, now: float) -> str:
    if leaf.idle_s(now) < _QUIET_S or leaf.retry or leaf.limited or leaf.question:
        return ""
    limit = f"/{leaf.idle_limit_s:.0f}s" if leaf.idle_limit_s else ""
    return f"idle {int(leaf.idle_s(now))}s{limit}"


def _first_line(text: str) -> str:
    return next((line.strip() for line in clean_lines(text) if line.strip()), "")


def _version() -> str:
    # Loaded here, on a display's own thread: it takes 20 ms, and email and zipfile with it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("orchcore")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return ""
