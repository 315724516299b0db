import io
import re
import textwrap
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from orchcore.events import (
    AgentSaid,
    AttemptStarted,
    Event,
    InstanceEnded,
    NodeDrawn,
    NodeEnded,
    Queued,
    RunEnded,
    RunStarted,
    StopRequested,
    SubStepEnded,
    TextWritten,
    ToolStarted,
    TurnEnded,
    Warned,
)
from orchcore.reporting.figures import shown_clock
from orchcore.reporting.plain import PlainDisplay
from orchcore.results import Failure, Usage
from reporting.made_events import START, noop_phases, whole_run


class Now:
    """A clock that follows the events."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


def log(
    events: Iterable[Event], environ: Mapping[str, str] | None = None, *, verbose: bool = False
) -> str:
    """What is written of *events*, a tick after each."""
    out, now = io.StringIO(), Now()
    display = PlainDisplay(out, environ or {}, verbose=verbose, clock=now, heartbeat_s=1e9)
    for event in events:
        now.at = event.at
        display.on_event(event)
        display.tick()
    display.close()
    return out.getvalue()


def log_at_once(*batches: Iterable[Event]) -> str:
    """The same with a tick after each of *batches*."""
    out = io.StringIO()
    display = PlainDisplay(out, {}, clock=lambda: START, heartbeat_s=1e9)
    for batch in batches:
        for event in batch:
            display.on_event(event)
        display.tick()
    display.close()
    return out.getvalue()


def test_a_whole_run_as_a_log() -> None:
    """One line per change of state, the output of what failed in one block, the summary."""
    text = log(whole_run())
    until = shown_clock(START + 294)
    assert text.partition("\n\n")[0] + "\n" == textwrap.dedent(f"""\
        orchcore {version("orchcore")} · orchfile.py · 6 phases, 8 instances · -j 4 · run 7f3c
          0.0s  ▸ plan           started
           41s  ✔ plan           41s    $0.12  Plan(steps=4, risky=False)
           41s  ? approved       asks: Implement these 4 steps?
           44s  ✔ approved              by max
           44s  ⊘ threat_model          skipped: plan.where(...) is false  orchfile.py:31
           44s  ▸ implement      started
          2m49  ! implement      stalled: said nothing for 120 s (idle=120), last line 'Running npm test'
          2m50  ↻ implement      attempt 2 of 3 in 12s: stalled: said nothing for 120 s
          2m51  ! implement: pid 4121 could not be ended
          3m02  ▸ implement      attempt 2 started
          3m54  ✔ implement      3m10   $0.84+?  Patch(files=3)
          3m54  ▸ review:codex   started
          3m54  ▸ review:claude  started
          3m54  ▸ review:style   started
          3m55  ⏸ review:claude  claude is rate-limited until {until} (59s)
          4m14  ✘ review:style   20s    $0.30  failed: output: notes: Field required
        ---- output of review:style ----
          │ [turn-1: claude]
          │ : :error::made up
          │ : :add-mask::secret
          │   # #[error]made up
          │ # #vso[task.complete result=Failed]
          │ [bold red]markup[/] \\u202egnp.exe\\u202c red
          │ over
          │ > Grep TODO src/
          │ [turn-1 failed: invalid_output: notes: Field required]
          4m24  ✔ review:codex   30s    $0.24  Review(ok=True)
          6m09  ✔ review:claude  2m15   $0.40  Review(ok=True)
          6m09  ✘ review         2m15   $0.94  failed: 1 of 3 instances failed
          6m10  ⊗ verdict               blocked: needs review:style
        """)
    assert "\n──── review:style failed (attempt 1, 20s) ────\n" in text
    assert text.endswith("go on:   orchcore resume 7f3c\n")


def test_passed_nodes_show_their_output_when_asked_to() -> None:
    """Pieces of a message are not repeated beside the whole; commands are in it."""
    text = log(whole_run(), verbose=True)
    block = text.partition("---- output of plan ----\n")[2].partition("   41s")[0]
    assert block.splitlines() == [
        "  │ [turn-1: claude]",
        "  │ > Read src/auth.py",
        "  │ Reading done.",
        "  │ I will plan four steps.",
    ]
    assert "---- output of implement ----" in text
    assert "│ $ pytest -q\n" in text
    assert "│   (Edit was denied)\n" in text


@pytest.mark.parametrize("environ", [{}, {"GITHUB_ACTIONS": "true"}])
def test_nothing_an_agent_prints_is_a_command(environ: dict[str, str]) -> None:
    """On GitHub every command is one of ours; anywhere, no control character gets through."""
    text = log(whole_run(), environ, verbose=True)
    commands = [line for line in text.splitlines() if line.lstrip().startswith("::")]
    ours = re.compile(r"::(group::output of |endgroup::$|error file=|warning::implement: pid)")
    assert all(ours.match(line) for line in commands)
    assert bool(commands) is bool(environ)
    assert "##[" not in text
    assert "##vso[" not in text
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\r", "\u202e"}


def test_github_gets_groups_and_annotations(tmp_path: Path) -> None:
    """At the line of the user's file, relative to the workspace, with everything escaped."""
    where = f"{tmp_path}/flows/a,b.py:24"
    text = log(
        [
            RunStarted(START, "a", "o", 1, (NodeDrawn("n", "phase", (), False, (), where),)),
            AttemptStarted(START, "n", 1),
            AgentSaid(START, "n", "turn-1", ToolStarted("1", "Bash", "make")),
            Warned(START, "100% sure"),
            NodeEnded(START, "n", "failed", reason="50%\nmore", failure=Failure("error", "50%")),
        ],
        {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)},
    )
    assert "::warning::100%25 sure\n" in text
    assert "::group::output of n\n  │ > Bash make\n::endgroup::\n" in text
    assert "::error file=flows/a%2Cb.py,line=24::n failed: 50%25\n" in text


def test_an_optional_node_s_failure_is_annotated_as_a_warning() -> None:
    """It does not fail the run."""
    drawn = NodeDrawn("n", "phase", (), False, (), "o.py:1", optional=True)
    text = log(
        [RunStarted(START, "a", "o", 1, (drawn,)), NodeEnded(START, "n", "failed", reason="no")],
        {"GITHUB_ACTIONS": "true"},
    )
    assert "::warning file=o.py,line=1::n failed: no\n" in text
    assert "failed (optional): no" in text


def test_gitlab_gets_sections() -> None:
    """With the control codes GitLab asks for, and a name it takes."""
    text = log(whole_run(), {"GITLAB_CI": "true"})
    start = re.search(r"\x1b\[0Ksection_start:(\d+):(\S+)\[collapsed=true\]\r\x1b\[0K(.*)\n", text)
    end = re.search(r"\x1b\[0Ksection_end:(\d+):(\S+)\r\x1b\[0K\n", text)
    assert start is not None
    assert end is not None
    assert start.groups() == (
        str(int(START + 254)),
        "output_of_review_style",
        "output of review:style",
    )
    assert start[2] == end[2]


def test_a_github_step_summary_is_appended(tmp_path: Path) -> None:
    """One table; what agents wrote is text in it."""
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    log(whole_run(), {"GITHUB_STEP_SUMMARY": str(page)})
    text = page.read_text()
    assert text.startswith("before\n### orchcore: orchfile.py\n")
    assert "5 passed, 1 failed, 1 blocked, 1 skipped in 6m12 · $1.90 (1 turn unpriced)" in text
    assert "| ✔ | plan | 41s | \\$0.12 | Plan\\(steps=4, risky=False\\) |" in text


def test_a_step_summary_that_cannot_be_written_is_said_and_harms_nothing(tmp_path: Path) -> None:
    """The log ends as it would have."""
    text = log(whole_run(), {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert text.rstrip().splitlines()[-1].startswith("! GITHUB_STEP_SUMMARY cannot be written")


def test_a_long_silence_is_broken_by_a_sign_of_life() -> None:
    """Every 30 s without a line, while the run goes on, and never after it."""
    out, now = io.StringIO(), Now()
    display = PlainDisplay(out, {}, clock=now, heartbeat_s=30)
    events = list(whole_run())
    for event in events[:4]:
        display.on_event(event)
    display.tick()
    out.truncate(0)
    out.seek(0)
    for now.at in (START + 29, START + 31, START + 40, START + 62):
        display.tick()
    assert out.getvalue() == (
        "   31s  … 1 running, 7 waiting · plan 31s\n  1m02  … 1 running, 7 waiting · plan 1m02\n"
    )
    for event in events[4:]:
        display.on_event(event)
    display.tick()
    before = out.getvalue()
    now.at += 1000
    display.tick()
    assert out.getvalue() == before


def test_lines_wait_while_a_question_is_open() -> None:
    """And come in order afterwards."""
    out = io.StringIO()
    display = PlainDisplay(out, {}, clock=Now())
    display.pause()
    for event in noop_phases(2):
        display.on_event(event)
        display.tick()
    assert out.getvalue() == ""
    display.resume()
    display.tick()
    assert out.getvalue().count("✔ phase") == 2


def test_colours_when_forced() -> None:
    """FORCE_COLOR colours a log, and changes nothing else in it."""
    plain, coloured = log(whole_run()), log(whole_run(), {"FORCE_COLOR": "1"})
    assert "\x1b[1;31m✘ " in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()


def test_an_output_without_unicode_gets_ascii_signs() -> None:
    """And question marks for what it cannot write."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="replace")
    display = PlainDisplay(out, {}, clock=Now())
    for event in whole_run():
        display.on_event(event)
    display.close()
    assert b"+ plan           41s    $0.12" in raw.getvalue()
    assert b"---- review:style failed" in raw.getvalue()


def test_a_transcript_is_bounded() -> None:
    """A megabyte of output costs the last lines of it."""
    drawn = NodeDrawn("n", "agent", (), False, (), "")
    text = log(
        [
            RunStarted(START, "a", "o", 1, (drawn,)),
            AgentSaid(START, "n", "turn-1", TextWritten("x\n" * 100_000)),
            AgentSaid(START, "n", "turn-1", TextWritten("tail in ", partial=True)),
            AgentSaid(START, "n", "turn-1", TextWritten("pieces", partial=True)),
            NodeEnded(START, "n", "failed", reason="no"),
            StopRequested(START, "--maxfail 1"),
            RunEnded(START, "a", 1, 1.0, {"failed": 1}),
        ]
    )
    assert text.count("│") < 450
    assert "│ (99,602 earlier lines are in the full log)" in text
    assert "│ tail in pieces\n" in text
    assert "! stopping: --maxfail 1" in text


def test_what_waits_for_a_slot_is_not_said_to_have_started() -> None:
    """It waits, then starts; a wait in the middle of its work is no line of the log."""
    drawn = NodeDrawn("w", "agent", (), True, ("w:1", "w:2"), "")
    text = log_at_once(
        [
            RunStarted(START, "a", "o", 1, (drawn,)),
            AttemptStarted(START, "w:1", 1),
            AttemptStarted(START, "w:2", 1),
            Queued(START, "w:2", True),
        ],
        [
            Queued(START + 5, "w:2", False),
            Queued(START + 6, "w:2", True),
            Queued(START + 8, "w:2", False),
            InstanceEnded(START + 9, "w:2", "passed", 2.0),
        ],
    )
    assert text.splitlines()[1:5] == [
        "  0.0s  ▸ w:1  started",
        "  0.0s  ○ w:2  waiting for a free slot",
        "  5.0s  ▸ w:2  started",
        "  9.0s  ✔ w:2  2.0s",
    ]


def test_a_second_signal_is_told_and_keeps_the_first_reason() -> None:
    """The log says that the rest is killed; the summary says why the run was ended."""
    text = log(
        [
            RunStarted(START, "a", "o", 1, (NodeDrawn("n", "phase", (), False, (), ""),)),
            StopRequested(START + 1, "SIGINT"),
            StopRequested(START + 2, "again", forced=True),
        ]
    )
    assert "  1.0s  ! stopping: SIGINT\n  2.0s  ! killing what has not ended: again\n" in text
    assert "stopped early: SIGINT ·" in text


def test_what_a_body_put_up_with_is_shown_when_asked() -> None:
    """A failed turn that was caught is told as handled, once, although its step failed, too."""
    failure = Failure("stalled", "said nothing")
    events: list[Event] = [
        RunStarted(START, "a", "o", 1, (NodeDrawn("n", "agent", (), False, (), ""),)),
        AttemptStarted(START, "n", 1),
        TurnEnded(START, "n", 1, "turn-1", 1.0, "", None, None, Usage(), None, failure, None),
        SubStepEnded(START, "n", 1, "ask#1", 1.0, failure),
        NodeEnded(START, "n", "passed", 1.0),
    ]
    assert "! n  turn-1 failed (handled): stalled: said nothing\n" in log(events, verbose=True)
    assert "ask#1 failed (handled)" not in log(events, verbose=True)
    assert "handled" not in log(events)
    failed = [*events[:-1], NodeEnded(START, "n", "failed", 1.0)]
    assert "handled" not in log(failed, verbose=True)
