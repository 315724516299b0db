"""Fits the story of a run into a terminal of a given size. Pure: values in, lines out.

A row gives up its columns from the right as the terminal narrows: first the margin note, then the
price. Widths are counted in cells (a CJK character takes two), which rich knows how to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from orchcore.reporting.figures import shown_dollars, shown_seconds
from orchcore.reporting.glyphs import Glyphs
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.sanitize import clean_line
from orchcore.reporting.story import Story
from orchcore.reporting.styled import Line, Style
from orchcore.reporting.wording import Row, row_of

_TIME_CELLS, _COST_CELLS = 6, 8
_COST_FROM, _NOTE_FROM = 60, 76
"""Widths from which the price and the margin note are shown."""


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's, in cells."""

    width: int
    height: int


def frame(story: Story, now: float, size: Size, glyphs: Glyphs) -> list[Line]:
    """What moves: a line for each leaf that has not ended, as room permits, and the status.

    Args:
        story: The run.
        now: Unix seconds.
        size: Of the terminal; one line and one column of it are left free.
        glyphs: The signs that the terminal can write.
    """
    room = max(size.height - 2, 0)
    open_leaves = _by_urgency([leaf for leaf in story.leaves if not leaf.ended])
    shown = open_leaves if len(open_leaves) <= room else open_leaves[: max(room - 1, 0)]
    id_cells = id_width(story, size.width)
    lines = [row_line(row_of(leaf, story, now, glyphs), id_cells, size.width) for leaf in shown]
    hidden = open_leaves[len(shown) :]
    if hidden and room:
        lines.append(_hidden_line(hidden, size.width, glyphs))
    lines.append(status_line(story, now, size.width, glyphs))
    return lines


def row_line(row: Row, id_cells: int, width: int) -> Line:
    """*row* in one line of at most *width* - 1 cells, its id in *id_cells*."""
    cells = width - 1
    pieces: list[tuple[str, Style]] = [(f" {row.glyph} ", row.style)]
    pieces.append((f"{_fit(row.id, id_cells)}  ", "" if row.style != "dim" else "dim"))
    if row.time or row.cost or row.style == "cyan":
        pieces.append((f"{row.time:<{_TIME_CELLS}}", ""))
        if width >= _COST_FROM:
            pieces.append((f"{row.cost:<{_COST_CELLS}}", ""))
    left = cells - sum(cells_of(text) for text, _ in pieces)
    note = row.note if width >= _NOTE_FROM and cells_of(row.note) < left // 2 else ""
    room = left - (cells_of(note) + 2 if note else 0)
    mark = f" {row.mark}" if row.mark and row.text else row.mark
    text = _clip(clean_line(row.text), room - cells_of(mark)) + _clip(mark, room)
    pieces.append((text, "dim" if row.style == "dim" else ""))
    if note:
        pieces.append((" " * (left - cells_of(text) - cells_of(note)) + note, "dim"))
    return tuple(pieces)


def clip_line(line: Line, width: int) -> Line:
    """*line* cut to *width* - 1 cells."""
    room, pieces = width - 1, list[tuple[str, Style]]()
    for text, style in line:
        cut = _clip(clean_line(text), room)
        pieces.append((cut, style))
        room -= cells_of(cut)
    return tuple(pieces)


def id_width(story: Story, width: int) -> int:
    """Cells for the column of ids: as wide as the longest, within a third of *width*."""
    longest = max((cells_of(leaf.id) for leaf in story.leaves), default=0)
    return max(min(longest, width // 3, 40), min(8, width // 3))


def status_line(story: Story, now: float, width: int, glyphs: Glyphs) -> Line:
    """The bottom line: counts, time, money, and the way out; the longest form that fits."""
    cells = width - 1
    counts, signs = _counts(story, glyphs)
    time = shown_seconds(story.elapsed_s(now))
    money, way_out = _money(story), _way_out(story, glyphs)
    stop = "^C stop" if story.stop is None else "^C kill"
    for parts in (
        (counts, time, money, way_out),
        (counts, time, money, stop),
        (signs, time, money, stop),
        (signs, time, stop),
        (signs, stop),
    ):
        text = _ruled([part for part in parts if part], glyphs)
        if cells_of(text) <= cells:
            break
    return ((_clip(text, cells), "yellow" if story.stop else "dim"),)


def reflowed_rows(widths: Sequence[int], width: int) -> int:
    """How many rows lines of *widths* cells take once the terminal is *width* cells wide."""
    return sum(max(-(-cells // max(width, 1)), 1) for cells in widths)


def line_cells(line: Line) -> int:
    """How many cells *line* takes."""
    return sum(cells_of(clean_line(text)) for text, _ in line)


def cells_of(text: str) -> int:
    """How many cells *text* takes; most text is ASCII, where that is its length."""
    return len(text) if text.isascii() else cell_len(text)


def _by_urgency(leaves: list[Leaf]) -> list[Leaf]:
    """Those a person must answer first, then what runs; each in plan order."""
    return sorted(leaves, key=_urgency)


def _urgency(leaf: Leaf) -> int:
    if leaf.question:
        return 0
    return 1 if leaf.state == "running" else 2


def _hidden_line(hidden: Sequence[Leaf], width: int, glyphs: Glyphs) -> Line:
    running = sum(leaf.state == "running" for leaf in hidden)
    waiting = len(hidden) - running
    parts = [
        f"{running} more running" if running else "",
        f"{waiting} more waiting" if waiting else "",
    ]
    text = f" {glyphs.ellipsis} {', '.join(filter(None, parts))}"
    return ((_clip(text, width - 1), "dim"),)


def _counts(story: Story, glyphs: Glyphs) -> tuple[str, str]:
    tally = story.tally()
    dot = f" {glyphs.dot} "
    signs: Mapping[str, str] = {str(state): sign for state, sign in glyphs.states.items()}
    return (
        dot.join(f"{count} {state}" for state, count in tally.items()),
        " ".join(f"{count}{signs.get(state, '?')}" for state, count in tally.items()),
    )


def _money(story: Story) -> str:
    cost, budget = story.cost_usd(), story.run.budget_usd if story.run else None
    unknown = "+?" if story.unpriced_turns() else ""
    if budget is not None:
        return f"{shown_dollars(cost or 0.0)}{unknown} / {shown_dollars(budget)}"
    if cost is None:
        return "$?" if unknown else ""
    return shown_dollars(cost) + unknown


def _way_out(story: Story, glyphs: Glyphs) -> str:
    if story.stop is None:
        return f"^C stop {glyphs.dot} again: kill"
    return (
        "killing"
        if story.stop.forced
        else f"stopping: {clean_line(story.stop.reason)} {glyphs.dot} ^C kill"
    )


def _ruled(parts: Sequence[str], glyphs: Glyphs) -> str:
    rule = glyphs.rule * 2
    return f"{rule * 2} " + f" {rule} ".join(parts)


def _fit(text: str, cells: int) -> str:
    clipped = _clip(clean_line(text), cells)
    return set_cell_size(clipped, cells)


def _clip(text: str, cells: int) -> str:
    if cells <= 0:
        return ""
    if cells_of(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + "…"
