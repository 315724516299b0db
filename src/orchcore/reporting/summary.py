"""The last words of a run: what failed and why, what was not run, what it took.

The tally and the command to go on with come last, because the end of a terminal is what is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchcore.errors import shell_word, shown_path
from orchcore.events import Ended, RunStarted
from orchcore.reporting.figures import shown_cost, shown_duration
from orchcore.reporting.glyphs import STATE_STYLE, Glyphs
from orchcore.reporting.leaf import Leaf
from orchcore.reporting.sanitize import clean_lines, harmless_in_logs
from orchcore.reporting.story import Fate, NodeStory, Story
from orchcore.reporting.styled import Line, Style
from orchcore.reporting.wording import ended_text, reason_of
from orchcore.results import NodeState

_DETAIL_LINES = 40
_LAST_LINES = 15
_TRACE_LINES = 20
_BLOCKS = 10
_ROWS_PER_STATE = 20
_TOLD_STATES: tuple[NodeState, ...] = (
    "failed",
    "partial",
    "blocked",
    "skipped",
    "cancelled",
    "paused",
)
_WORKED = frozenset({"passed", "failed", "partial", "cancelled"})
_UNENDED: Mapping[Fate, str] = {
    "unknown": "the run did not come to its end",
    "goes on": "still running",
    "died": "its process died before the run ended",
}


def summary(story: Story, glyphs: Glyphs, now: float) -> list[Line]:
    """Everything that is said at the end of a run, in every mode.

    Args:
        story: The run, ended or given up.
        glyphs: The signs that the output can write.
        now: Unix seconds; counts only while the run has not ended.
    """
    lines: list[Line] = [()]
    failed = [(leaf, leaf.end) for leaf in story.told if leaf.state == "failed" and leaf.end]
    for leaf, end in failed[:_BLOCKS]:
        lines += [*_failure_block(leaf, end, story, glyphs), ()]
    if len(failed) > _BLOCKS:
        lines.append(((f"{len(failed) - _BLOCKS:,} more failed; they are listed below", "red"),))
        lines.append(())
    lines += _state_rows(story)
    lines.append(_tally(story, glyphs, now))
    if story.run is not None and story.run.run:
        lines.append((("details: ", "dim"), (_command("show", story.run), "")))
        if story.fate != "goes on" and any(_asks(leaf, story) for leaf in story.told):
            lines.append((("answer:  ", "dim"), (_command("approve", story.run), "")))
        if story.fate != "goes on" and (story.ended is None or story.ended.exit_code):
            more = " --budget USD" if story.ended and story.ended.exit_code == _EXHAUSTED else ""
            lines.append((("go on:   ", "dim"), (_command("resume", story.run) + more, "")))
    return lines


def _asks(leaf: Leaf, story: Story) -> bool:
    """Whether *leaf* is a gate that waits for an answer."""
    return leaf.state == "paused" and story.node_of(leaf).drawn.role == "gate"


_EXHAUSTED = 11


def _command(name: str, run: RunStarted) -> str:
    """What does *name* with *run* when it is typed here, where it was not started perhaps."""
    folder = Path(run.orchfile).resolve().parent
    found_from_here = Path.cwd().is_relative_to(folder)
    named = "" if found_from_here else f" -f {shell_word(shown_path(folder))}"
    return f"orchcore {name} {shell_word(run.run)}{named}"


def _failure_block(leaf: Leaf, end: Ended, story: Story, glyphs: Glyphs) -> Iterator[Line]:
    facts = [f"attempt {end.attempt}", shown_duration(end.duration_s)]
    if leaf.simulated:
        facts.append("simulated")
    rule = glyphs.rule * 4
    yield (
        (f"{rule} ", "red"),
        (leaf.id, "bold red"),
        (f" failed ({', '.join(facts)}) {rule}", "red"),
    )
    yield ((f"  {reason_of(leaf) or 'no reason was given'}", ""),)
    told = clean_lines(end.failure.detail if end.failure is not None else "", _DETAIL_LINES)
    yield from _quoted("    ", told[1:], "")
    where = story.node_of(leaf).drawn.where
    if where:
        yield ((f"  at {where}", "dim"),)
    yield from _quoted(f"  {glyphs.bar} ", [*clean_lines(end.trace, _TRACE_LINES)], "")
    if end.last_lines:
        yield (("  last lines:", "dim"),)
        last = [line for text in end.last_lines for line in clean_lines(text)][-_LAST_LINES:]
        yield from _quoted(f"  {glyphs.bar} ", last, "dim")
    if end.folder:
        yield ((f"  full log: {shown_path(Path(end.folder))}/", ""),)


def _quoted(margin: str, lines: Sequence[str], style: Style) -> Iterator[Line]:
    for line in lines:
        if line.strip():
            yield ((margin, "dim"), (harmless_in_logs(line), style))


def _state_rows(story: Story) -> Iterator[Line]:
    told = [leaf for leaf in story.told if leaf.state in _TOLD_STATES]
    width = min(max((len(leaf.id) for leaf in told), default=0), 40)
    for state in _TOLD_STATES:
        alike = [leaf for leaf in told if leaf.state == state]
        name = (f"{state.upper():<9} ", STATE_STYLE[state])
        yield from (_state_row(name, leaf, story, width) for leaf in alike[:_ROWS_PER_STATE])
        if len(alike) > _ROWS_PER_STATE:
            yield (name, (f"and {len(alike) - _ROWS_PER_STATE:,} more", ""))


def _state_row(name: tuple[str, Style], leaf: Leaf, story: Story, width: int) -> Line:
    failed = leaf.state == "failed"
    folder = leaf.end.folder if leaf.end and failed else ""
    return (
        name,
        (f"{leaf.id:<{width}}  ", "bold" if failed else ""),
        (_short_reason(leaf, story), ""),
        (f"  {shown_path(Path(folder))}/" if folder else "", "dim"),
    )


def _short_reason(leaf: Leaf, story: Story) -> str:
    node = story.node_of(leaf)
    reason = reason_of(leaf) if leaf.end is not None else ended_text(leaf, story)
    if not reason and leaf.state == "blocked":
        reason = f"needs {', '.join(_not_passed(node, story))}"
    if leaf.state in {"failed", "partial"} and node.drawn.optional:
        reason += " (optional)"
    return harmless_in_logs(reason)


def _not_passed(node: NodeStory, story: Story) -> Iterator[str]:
    for need in (story.nodes.get(need) for need in node.drawn.needs):
        if need is not None and need.own.state not in {"passed", "reused"}:
            bad = [leaf.id for leaf in need.leaves if leaf.state not in {"passed", "reused"}]
            yield from bad[:3] or [need.drawn.id]


def _tally(story: Story, glyphs: Glyphs, now: float) -> Line:
    counts = ", ".join(f"{count:,} {state}" for state, count in story.tally().items())
    parts = [
        f"{counts or 'nothing ran'} in {shown_duration(story.elapsed_s(now))}",
        shown_cost(story.cost_usd(), story.unpriced_turns()),
        _slowest(story),
        "SIMULATED: the demo agent made its answers up" if story.simulated() else "",
        f"stopped early: {story.stop.reason}" if story.stop else "",
        *(story.ended.faults if story.ended else (_UNENDED[story.fate],)),
    ]
    return ((f" {glyphs.dot} ".join(filter(None, parts)), _verdict_style(story)),)


def _slowest(story: Story) -> str:
    """Which worked longest: what ended without work, or waited for a person, is no candidate."""
    ran = [leaf for leaf in story.leaves if leaf.state in _WORKED and leaf.end is not None]
    ran = [leaf for leaf in ran if leaf.elapsed_s(0.0) > 0]
    ran = [leaf for leaf in ran if story.node_of(leaf).drawn.role != "gate"]
    if len(ran) < 2:
        return ""
    slowest = max(ran, key=lambda leaf: leaf.elapsed_s(0.0))
    return f"slowest: {slowest.id} {shown_duration(slowest.elapsed_s(0.0))}"


def _verdict_style(story: Story) -> Style:
    if story.ended is None:
        return "bold yellow" if story.fate == "goes on" else "bold red"
    if story.ended.exit_code not in {0, 10}:
        return "bold red"
    return "bold green" if not (story.ended.exit_code or story.simulated()) else "bold yellow"
