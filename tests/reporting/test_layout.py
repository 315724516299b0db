import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchcore.events import (
    AgentSaid,
    ApprovalAsked,
    AttemptStarted,
    NodeDrawn,
    RunStarted,
    StopRequested,
    TextWritten,
)
from orchcore.reporting.figures import shown_clock
from orchcore.reporting.glyphs import glyphs_for
from orchcore.reporting.layout import (
    Size,
    frame,
    line_cells,
    reflowed_rows,
    row_line,
    status_line,
)
from orchcore.reporting.story import Story
from orchcore.reporting.styled import painted_lines
from orchcore.reporting.wording import Row, header, waiting_text
from reporting.made_events import START, crowd, whole_run

GLYPHS = glyphs_for("utf-8")
EVENTS = list(whole_run())


def story_until(at: float) -> Story:
    story = Story()
    for event in EVENTS:
        if event.at <= START + at:
            story.tell(event)
    return story


def shown(story: Story, at: float, width: int = 80, height: int = 24) -> str:
    return painted_lines(frame(story, START + at, Size(width, height), GLYPHS), colour=False)


def test_what_runs_comes_first_and_what_waits_below() -> None:
    """The frame of an early moment, in a common terminal."""
    assert shown(story_until(20), 30) == textwrap.dedent("""\
         ⠋ plan           30s           I will plan four steps.           idle 10s/120s
         ○ approved       waiting for plan
         ○ threat_model   waiting for plan
         ○ implement      waiting for approved
         ○ review:codex   waiting for implement
         ○ review:claude  waiting for implement
         ○ review:style   waiting for implement
         ○ verdict        waiting for review:*
        ──── 1 running · 7 waiting ── 30s ── $0.00 / $5.00 ── ^C stop · again: kill
        """)


def test_limits_and_failures_in_a_wide_terminal() -> None:
    """A rate limit tells until when; instances that ended are gone from the frame."""
    until = shown_clock(START + 294)
    assert shown(story_until(255), 256, 120) == textwrap.dedent(f"""\
         ⠋ review:codex   22s           ▸ asking codex                                                            idle 22s/120s
         ⏸ review:claude  22s           claude is rate-limited until {until} (38s)
         ○ verdict        waiting for review:*
        ──── 3 passed · 1 failed · 1 skipped · 2 running · 1 waiting ── 4m16 ── $1.26+? / $5.00 ── ^C stop · again: kill
        """)


def test_a_narrow_terminal_keeps_what_matters() -> None:
    """At 40 columns price and idle time give way, the counts become signs."""
    assert shown(story_until(255), 256, 40, 12) == textwrap.dedent("""\
         ⠋ review:codex   22s   ▸ asking codex
         ⏸ review:claude  22s   claude is rate…
         ○ verdict        waiting for review:*
        ──── 3✔ 1✘ 1⊘ 2▸ 1○ ── 4m16 ── ^C stop
        """)


def test_a_pending_retry_counts_down() -> None:
    """With the attempt that comes and why the last one failed."""
    text = shown(story_until(171), 175)
    assert " ↻ implement      2m11  $?      attempt 2 of 3 in 7s: stalled: said nothing fo…" in text
    assert "attempt 2 of 3 now: stalled" in shown(story_until(171), 185)


def test_a_gate_that_asks_is_the_first_row() -> None:
    """What a person must do is seen, however much runs."""
    story = Story()
    for event in crowd(200):
        story.tell(event)
    story.tell(ApprovalAsked(START + 3, "report", "Publish [bold]this[/]?", ""))
    assert (
        shown(story, 3).splitlines()[0].rstrip().endswith("waits for you: Publish [bold]this[/]?")
    )


def test_two_hundred_instances_fold() -> None:
    """As many rows as fit, then how many more."""
    story = Story()
    for event in crowd(200):
        story.tell(event)
    lines = shown(story, 3).splitlines()
    assert len(lines) == 23
    assert lines[-2:] == [
        " … 180 more waiting",
        "──── 13 running · 188 waiting ── 3s ── ^C stop · again: kill",
    ]
    assert " … 7 more running, 188 more waiting" in shown(story, 3, height=9)


@given(st.integers(20, 200), st.integers(3, 60), st.floats(0, 372), st.sampled_from(EVENTS))
def test_no_line_ever_reaches_the_edge(width: int, height: int, ahead: float, last: object) -> None:
    """Nothing wraps and nothing scrolls, whatever the size and the moment."""
    story = Story()
    for event in EVENTS[: EVENTS.index(last) + 1]:  # type: ignore[arg-type]
        story.tell(event)
    lines = frame(story, START + ahead, Size(width, height), GLYPHS)
    assert all(line_cells(line) < width for line in lines)
    assert len(lines) < height


@pytest.mark.parametrize(
    ("forced", "words"), [(False, "stopping: SIGINT · ^C kill"), (True, "killing")]
)
def test_the_status_line_says_that_the_run_is_stopping(forced: bool, words: str) -> None:
    """And what the next ^C would do."""
    story = story_until(20)
    story.tell(StopRequested(START, "SIGINT", forced))
    (text, style) = status_line(story, START, 100, GLYPHS)[0]
    assert text.endswith(words)
    assert style == "yellow"


def test_wide_characters_count_twice() -> None:
    """A row of Japanese is cut where it ends, not where its characters do."""
    story = Story()
    story.tell(AttemptStarted(START, "plan", 1))
    story.tell(AgentSaid(START, "plan", "turn-1", TextWritten("日本語" * 100)))
    (line, _) = frame(story, START, Size(40, 10), GLYPHS)
    assert 37 <= line_cells(line) <= 39


def test_wrapped_rows_are_counted_as_a_terminal_counts_them() -> None:
    """Each line takes at least one row and as many as its cells need."""
    assert reflowed_rows([0, 10, 79, 80], 40) == 1 + 1 + 2 + 2


def test_a_mark_is_kept_where_its_text_is_cut() -> None:
    """``(simulated)`` is what must not be lost."""
    row = Row("+", "green", "plan", "3s", "", "x" * 200, mark="(simulated)")
    shown_row = painted_lines([row_line(row, 8, 60)], colour=False)
    assert shown_row.endswith("x… (simulated)\n")
    assert len(shown_row) == 60


@pytest.mark.parametrize(("cells", "left_out"), [(200, ()), (60, ("-j 4",)), (30, ("orchfile",))])
def test_a_header_never_leaves_the_run_out(cells: int, left_out: tuple[str, ...]) -> None:
    """In a narrow terminal it says less."""
    run = EVENTS[0]
    assert isinstance(run, RunStarted)
    (text,) = painted_lines([header(run, story_until(0), GLYPHS, cells)], colour=False).splitlines()
    assert text.endswith(" run 7f3c")
    assert len(text) <= cells
    assert not any(part in text for part in left_out)


@pytest.mark.parametrize(
    ("leaf_id", "text"), [("w:1", "waiting for its turn"), ("plan", "about to start")]
)
def test_only_a_slot_is_called_a_slot(leaf_id: str, text: str) -> None:
    """An instance may wait for its siblings, and a node is ready a moment before it starts."""
    fan = NodeDrawn("w", "phase", (), True, ("w:1",), "")
    story = Story()
    plan = NodeDrawn("plan", "phase", (), False, (), "")
    story.tell(RunStarted(START, "a", "o", 1, (fan, plan)))
    assert waiting_text(story.leaf(leaf_id), story) == text
