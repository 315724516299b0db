from collections.abc import Iterable
from dataclasses import replace

import pytest

from orchcore.events import (
    AgentSaid,
    AgentStalled,
    ApprovalGiven,
    AttemptStarted,
    Event,
    InstanceEnded,
    LimitNoticed,
    NodeDrawn,
    NodeEnded,
    NodeExpanded,
    Queued,
    RetryNoticed,
    RetryScheduled,
    RunEnded,
    RunStarted,
    TextWritten,
    ThinkingWritten,
    TurnReused,
    UsageReported,
)
from orchcore.reporting.story import Story
from orchcore.results import NodeState, Usage
from reporting.made_events import START, crowd, simulated_run, whole_run


def told(events: Iterable[Event], until: type[Event] | None = None, node: str = "") -> Story:
    """The story of *events*, up to the first *until* (of *node*), that one included."""
    story = Story()
    for event in events:
        story.tell(event)
        if until and isinstance(event, until) and getattr(event, "node", "") == node:
            break
    return story


def test_every_leaf_reaches_its_final_state() -> None:
    """At the end all instances and the nodes without instances are accounted for."""
    story = told(whole_run())
    assert {leaf.id: leaf.state for leaf in story.leaves} == {
        "plan": "passed",
        "approved": "passed",
        "threat_model": "skipped",
        "implement": "passed",
        "review:codex": "passed",
        "review:claude": "passed",
        "review:style": "failed",
        "verdict": "blocked",
    }
    assert story.tally() == {"passed": 5, "failed": 1, "blocked": 1, "skipped": 1}


def test_a_fan_out_s_sums_are_not_counted_twice() -> None:
    """What its instances cost is not added again when their node ends."""
    events = [event for event in whole_run() if not isinstance(event, RunEnded)]
    story = told(events)
    assert story.cost_usd() == pytest.approx(0.12 + 0.84 + 0.30 + 0.24 + 0.40)
    assert story.unpriced_turns() == 1


def test_a_running_turn_s_usage_counts_until_its_turn_ends() -> None:
    """Streamed costs are shown at once, and replaced by the final price."""
    story = told(whole_run(), AttemptStarted, "implement")
    before = story.leaf("implement").cost_usd
    story.tell(AgentSaid(START, "implement", "turn-1", UsageReported(Usage(), 0.5)))
    assert (before, story.leaf("implement").cost_usd) == (None, 0.5)
    assert told(whole_run()).leaf("implement").cost_usd == 0.84


def test_a_retry_is_pending_until_the_next_attempt() -> None:
    """The wait is known, with what went wrong; the clock of the node goes on."""
    waiting = told(whole_run(), RetryScheduled, "implement").leaf("implement")
    assert waiting.retry is not None
    assert waiting.retry.failure.kind == "stalled"
    assert waiting.idle_s(START + 1000) == 0
    story = told(list(whole_run())[:-20])
    assert story.leaf("implement").retry is None
    assert story.leaf("implement").attempt == 2


def test_a_stall_is_the_latest_activity() -> None:
    """The agent that is being ended is shown with its silence and its limit."""
    leaf = told(whole_run(), AgentStalled, "implement").leaf("implement")
    assert leaf.activity == "silent for 120s, ending it"
    assert leaf.idle_limit_s == 120


def test_a_rate_limit_holds_until_the_agent_speaks_again() -> None:
    """A rejection is a hold, an allowance none, and the next text ends it."""
    story = told(whole_run(), AttemptStarted, "review:claude")
    leaf = story.leaf("review:claude")
    for said, limited in (
        (LimitNoticed("allowed_warning", START), False),
        (LimitNoticed("rejected", START + 60), True),
        (ThinkingWritten(""), True),
        (TextWritten("on"), False),
    ):
        story.tell(AgentSaid(START, leaf.id, "turn-1", said))
        assert leaf.limited is limited


def test_instances_appear_when_their_node_expands() -> None:
    """Before that the fan-out itself is what is shown."""
    drawn = NodeDrawn("check", "agent", (), True, (), "")
    story = told([RunStarted(START, "r", "o", 1, (drawn,))])
    assert [leaf.id for leaf in story.leaves] == ["check"]
    story.tell(NodeExpanded(START, "check", ("check:a", "check:b")))
    assert [leaf.id for leaf in story.leaves] == ["check:a", "check:b"]


def test_a_fan_out_none_of_which_ran_is_one_line() -> None:
    """A blocked node with known instances does not list them."""
    drawn = NodeDrawn("check", "agent", (), True, ("check:a", "check:b"), "")
    events: list[Event] = [
        RunStarted(START, "r", "o", 1, (drawn,)),
        NodeEnded(START, "check", "blocked"),
    ]
    assert [(leaf.id, leaf.state) for leaf in told(events).leaves] == [("check", "blocked")]


def test_instances_that_never_started_share_their_node_s_end() -> None:
    """Nothing is left waiting once its node is over, and nothing becomes a pass that did not run."""
    drawn = NodeDrawn("check", "agent", (), True, ("check:a", "check:b"), "")
    ends: tuple[tuple[NodeState, NodeState], ...] = (
        ("failed", "cancelled"),
        ("skipped", "skipped"),
        ("passed", "cancelled"),
    )
    for end, state in ends:
        events: list[Event] = [
            RunStarted(START, "r", "o", 1, (drawn,)),
            InstanceEnded(START, "check:a", "failed"),
            NodeEnded(START, "check", end),
        ]
        assert told(events).leaf("check:b").state == state


def test_events_of_nodes_that_were_not_drawn_are_taken_as_they_come() -> None:
    """A display never fails because the plan and the events disagree."""
    story = told(
        [
            AttemptStarted(START, "stray:x", 1),
            AttemptStarted(START, "other", 1),
            NodeEnded(START, "third", "passed"),
            ApprovalGiven(START, "gate", approved=True, by="max"),
        ]
    )
    assert [leaf.id for leaf in story.leaves] == ["stray:x", "other", "third", "gate"]


def test_what_is_waited_for_is_what_has_not_ended() -> None:
    """A fan-out is named with a star; a need that is over is not named."""
    story = told(whole_run(), AttemptStarted, "plan")
    assert story.awaited(story.leaf("verdict")) == ("review:*",)
    assert story.awaited(story.leaf("approved")) == ("plan",)
    assert story.awaited(told(whole_run()).leaf("approved")) == ("plan",)
    ended = told(whole_run())
    assert ended.awaited(ended.leaf("approved")) == ()


def test_pieces_of_text_join_and_a_whole_message_replaces_them() -> None:
    """The end of what is being written is kept, a bounded number of characters."""
    story = told(whole_run(), AttemptStarted, "plan")
    leaf = story.leaf("plan")
    for piece in ("I ", "will ", "x" * 1000):
        story.tell(AgentSaid(START, "plan", "turn-1", TextWritten(piece, partial=True)))
    assert len(leaf.wrote) == 400
    story.tell(AgentSaid(START, "plan", "turn-1", TextWritten("whole")))
    assert leaf.wrote == "whole"


def test_a_retry_within_the_cli_is_an_activity() -> None:
    """The agent's own waiting is told in its words."""
    story = told(whole_run(), AttemptStarted, "plan")
    story.tell(AgentSaid(START, "plan", "turn-1", RetryNoticed("overloaded", 2, 5.0)))
    assert story.leaf("plan").activity == "overloaded, again in 5s"


def test_a_simulated_turn_marks_leaf_and_run() -> None:
    """The demo agent's part is known before the run ends."""
    story = told(whole_run())
    assert not story.simulated()
    demo = told([event for event in simulated_run() if not isinstance(event, RunEnded | NodeEnded)])
    assert demo.simulated()
    assert demo.leaf("plan").simulated


def test_a_crowd_is_counted() -> None:
    """Two hundred instances and what comes after them."""
    assert told(crowd(200)).tally() == {"running": 13, "waiting": 188}


def test_a_clock_that_was_set_back_gives_no_negative_times() -> None:
    """Durations of what runs are never below zero."""
    story = told(whole_run(), AttemptStarted, "plan")
    assert story.leaf("plan").elapsed_s(START - 60) == 0
    assert story.elapsed_s(START - 60) == 0


def test_an_instance_waits_for_its_own_element() -> None:
    """Once the instances are known, all that they share is there: a star would be too much."""
    fan, per = (
        NodeDrawn("w", "agent", (), True, ("w:1", "w:2"), ""),
        NodeDrawn("per", "phase", ("w",), True, (), ""),
    )
    story = told([RunStarted(START, "a", "o", 1, (fan, per))])
    assert story.awaited(story.leaf("per")) == ("w:*",)
    story.tell(NodeExpanded(START, "per", ("per:1", "per:2", "per:other")))
    story.tell(InstanceEnded(START, "w:1", "passed"))
    assert story.awaited(story.leaf("per:1")) == ()
    assert story.awaited(story.leaf("per:2")) == ("w:2",)
    assert story.awaited(story.leaf("per:other")) == ("w:*",)


def test_a_wait_for_a_slot_is_no_work() -> None:
    """The leaf waits meanwhile, and its time stands still."""
    drawn = NodeDrawn("plan", "agent", (), False, (), "")
    story = told([RunStarted(START, "a", "o", 1, (drawn,)), AttemptStarted(START, "plan", 1)])
    leaf = story.leaf("plan")
    story.tell(Queued(START + 1, "plan", waits=True))
    assert (leaf.state, leaf.queued, leaf.elapsed_s(START + 30)) == ("waiting", True, 1)
    story.tell(Queued(START + 31, "plan", waits=False))
    assert (leaf.state, leaf.queued, leaf.elapsed_s(START + 33)) == ("running", False, 3)


def test_what_a_dead_process_left_never_ends() -> None:
    """All that had not ended counts as cancelled; what had is as it was."""
    story = told(whole_run(), AttemptStarted, "plan")
    story.give_up()
    assert story.tally() == {"cancelled": 8}
    assert story.fate == "died"


def test_a_run_that_goes_on_is_told_anew() -> None:
    """Its first end, and how its nodes ended then, is no news any more."""
    events = list(whole_run())
    story = told(events)
    again = events[0]
    assert isinstance(again, RunStarted)
    story.tell(replace(again, resumes=1))
    assert (story.ended, story.tally()) == (None, {"waiting": 8})
    story.tell(AttemptStarted(START, "implement", 1))
    story.tell(TurnReused(START, "implement", 1, "turn-1", "codex", "/", simulated=True))
    story.tell(NodeEnded(START, "implement", "passed"))
    leaf = story.leaf("implement")
    assert (leaf.reused_turns, leaf.simulated, leaf.state) == (1, True, "passed")
