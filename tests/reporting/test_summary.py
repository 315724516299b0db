import textwrap
from typing import Any, cast

from orchcore.events import (
    InstanceEnded,
    NodeDrawn,
    NodeEnded,
    NodeExpanded,
    RunEnded,
    RunStarted,
    StopRequested,
)
from orchcore.reporting.glyphs import glyphs_for
from orchcore.reporting.step_summary import step_summary
from orchcore.reporting.story import Story
from orchcore.reporting.styled import painted_lines
from orchcore.reporting.summary import summary
from orchcore.results import Failure, NodeState
from reporting.made_events import START, simulated_run, whole_run


def shown(story: Story) -> str:
    return painted_lines(summary(story, glyphs_for("utf-8"), START + 60), colour=False)


def whole_story() -> Story:
    story = Story()
    for event in whole_run():
        story.tell(event)
    return story


def fan(size: int, state: NodeState, end: NodeEnded, *, optional: bool = False) -> Story:
    """A fan-out of *size* instances, the first of which passed."""
    story = Story()
    names = tuple(f"check:{number}" for number in range(size))
    drawn = NodeDrawn("check", "agent", (), True, names, "orchfile.py:5", optional)
    story.tell(RunStarted(START, "f00d", "orchfile.py", 4, (drawn,)))
    story.tell(NodeExpanded(START, "check", names))
    for number, name in enumerate(names):
        story.tell(InstanceEnded(START, name, state if number else "passed", reason="off by one"))
    story.tell(end)
    return story


def test_the_summary_of_a_run_that_failed() -> None:
    """Failure blocks, then what did not pass and why, then the tally and how to go on."""
    assert shown(whole_story()) == textwrap.dedent("""\

        ──── review:style failed (attempt 1, 20s) ────
          output: notes: Field required
          at orchfile.py:24
          │ orchfile.py:27 in review
          │     return await ai.ask(f'Review {patch.diff}', Review)
          last lines:
          │ Looking at the diff
          │ : :error::made up
          │ : :add-mask::secret
          │   # #[error]made up
          │ # #vso[task.complete result=Failed]
          │ [bold red]markup[/] \\u202egnp.exe\\u202c red
          │ over
          full log: /tmp/project/.orchcore/runs/7f3c/review:style/

        FAILED    review:style  output: notes: Field required  /tmp/project/.orchcore/runs/7f3c/review:style/
        BLOCKED   verdict       needs review:style
        SKIPPED   threat_model  plan.where(...) is false
        5 passed, 1 failed, 1 blocked, 1 skipped in 6m12 · $1.90 (1 turn unpriced) · slowest: implement 3m10
        details: orchcore show 7f3c
        go on:   orchcore resume 7f3c
        """)


def test_a_run_without_its_end_is_never_called_passed() -> None:
    """A display that is closed early says so and counts what was going on."""
    story = Story()
    for event in list(whole_run())[:5]:
        story.tell(event)
    story.tell(StopRequested(START, "SIGINT"))
    text = shown(story)
    assert (
        "1 running, 7 waiting in 1m00 · stopped early: SIGINT · the run did not come to its end"
        in text
    )


def test_made_up_answers_are_marked() -> None:
    """A green run of the demo agent cannot be taken for a real one."""
    story = Story()
    for event in simulated_run():
        story.tell(event)
    assert "1 passed in 1.0s · $0.00 · SIMULATED: the demo agent made its answers up" in shown(
        story
    )


def test_an_unknown_price_is_not_zero() -> None:
    """Turns without a price are counted, and no sum is shown when none is known."""
    story = Story()
    drawn = NodeDrawn("plan", "agent", (), False, (), "")
    story.tell(RunStarted(START, "a", "o", 1, (drawn,)))
    story.tell(NodeEnded(START, "plan", "passed", 1.0, turns=2, unpriced_turns=2))
    story.tell(RunEnded(START, "a", 0, 1.0, {"passed": 1}, turns=2, unpriced_turns=2))
    assert "1 passed in 1.0s · cost unknown (2 turns unpriced)\n" in shown(story)
    assert "$0" not in shown(story)


def test_a_thousand_failures_are_counted_and_not_all_printed() -> None:
    """Ten blocks, twenty lines, and the number of the rest."""
    text = shown(fan(1000, "failed", NodeEnded(START, "check", "failed")))
    assert text.count("──── check:") == 10
    assert "\n989 more failed; they are listed below\n" in text
    assert text.count("FAILED    check:") == 20
    assert "FAILED    and 979 more" in text
    assert "1 passed, 999 failed" in text


def test_a_fan_out_that_failed_by_its_quorum_is_a_failure_of_its_own() -> None:
    """The node's reason is told beside those of its instances."""
    reason = "1 of 3 passed, 2 are needed"
    end = NodeEnded(START, "check", "failed", reason=reason, failure=Failure("quorum", reason))
    text = shown(fan(3, "failed", end))
    assert [line for line in text.splitlines() if line.startswith("FAILED")] == [
        "FAILED    check:1  off by one",
        "FAILED    check:2  off by one",
        "FAILED    check    1 of 3 passed, 2 are needed",
    ]


def test_a_fan_out_that_fails_before_its_instances_is_told() -> None:
    """A cycle among labels leaves no instance that could be listed."""
    story = fan(0, "failed", NodeEnded(START, "check", "failed", reason="labels form a cycle"))
    assert "FAILED    check  labels form a cycle" in shown(story)


def test_tolerated_failures_are_listed_as_such() -> None:
    """Neither hidden nor taken for what made the run fail."""
    optional = shown(fan(2, "failed", NodeEnded(START, "check", "failed"), optional=True))
    assert "FAILED    check:1  off by one (optional)" in optional


def test_a_blocked_node_names_what_it_needed() -> None:
    """Also when execution gave no reason."""
    story = fan(2, "failed", NodeEnded(START, "check", "failed"))
    later = NodeDrawn("verdict", "phase", ("check",), False, (), "")
    fresh = Story()
    fresh.tell(RunStarted(START, "a", "o", 1, (story.nodes["check"].drawn, later)))
    fresh.tell(InstanceEnded(START, "check:1", "failed"))
    fresh.tell(NodeEnded(START, "check", "failed"))
    fresh.tell(NodeEnded(START, "verdict", "blocked"))
    assert "BLOCKED   verdict  needs check:0, check:1" in shown(fresh)


def test_the_printed_command_survives_a_shell() -> None:
    """Ids are quoted where a shell would read them."""
    story = Story()
    story.tell(RunStarted(START, "my run; rm", "o", 1, ()))
    assert "details: orchcore show 'my run; rm'\n" in shown(story)


def test_a_partial_fan_out_is_counted_and_listed() -> None:
    """No instance is partial: the node counts itself, beside its instances, with its reason."""
    reason = "1 of 2 passed, quorum 1; failed: check:1"
    text = shown(fan(2, "failed", NodeEnded(START, "check", "partial", reason=reason)))
    assert f"PARTIAL   check    {reason}\n" in text
    assert "1 passed, 1 partial, 1 failed" in text


def test_what_made_the_run_fail_is_said_where_no_node_tells_it() -> None:
    """A gate that was declined, a resource that did not close."""
    story = Story()
    story.tell(RunStarted(START, "a", "o", 1, (NodeDrawn("n", "phase", (), False, (), ""),)))
    story.tell(NodeEnded(START, "n", "passed", 1.0))
    faults = ("resource 'db' failed to close: OSError",)
    story.tell(RunEnded(START, "a", 1, 1.0, {"passed": 1}, faults=faults))
    assert "1 passed in 1.0s · resource 'db' failed to close: OSError\n" in shown(story)


def test_the_whole_message_of_an_exception_is_in_its_block() -> None:
    """Everywhere else it is one line."""
    detail = "ValueError: first\nsecond\ncaused by KeyError: 'x'"
    failure = Failure("error", detail)
    text = shown(fan(2, "passed", NodeEnded(START, "check", "passed")))
    assert "second" not in text
    story = Story()
    story.tell(RunStarted(START, "a", "o", 1, (NodeDrawn("n", "phase", (), False, (), ""),)))
    story.tell(NodeEnded(START, "n", "failed", reason=str(failure), failure=failure))
    assert "  error: ValueError: first\n    second\n    caused by KeyError: 'x'\n" in shown(story)
    assert "FAILED    n  error: ValueError: first\n" in shown(story)


def test_the_slowest_is_one_that_worked() -> None:
    """Not one that waited for a person, was skipped, or paused."""
    story = Story()
    roles = {"asked": "gate", "left": "phase", "a": "phase", "b": "phase"}
    drawn = [NodeDrawn(name, cast("Any", role), (), False, (), "") for name, role in roles.items()]
    story.tell(RunStarted(START, "x", "o", 1, tuple(drawn)))
    story.tell(NodeEnded(START, "asked", "passed", 90.0))
    story.tell(NodeEnded(START, "left", "skipped", 80.0))
    story.tell(NodeEnded(START, "a", "passed", 2.0))
    story.tell(NodeEnded(START, "b", "passed", 3.0))
    assert "slowest: b 3.0s" in shown(story)


def test_the_page_of_a_ci_system_has_a_row_for_a_partial_node() -> None:
    """And counts it, as every other summary does."""
    story = fan(2, "failed", NodeEnded(START, "check", "partial", reason="1 of 2 passed"))
    page = step_summary(story)
    assert "1 passed, 1 partial, 1 failed" in page
    assert "| ◐ | check | 0.0s |  | partial\\: 1 of 2 passed |" in page
