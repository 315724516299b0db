from orchcore.events import (
    AgentEvent,
    AgentSaid,
    NoticeGiven,
    RetryNoticed,
    SubStepEnded,
    SubStepStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.reporting.transcript import Transcript
from orchcore.results import Failure
from reporting.made_events import START


def lines(*said: AgentEvent) -> list[str]:
    transcript = Transcript()
    for event in said:
        transcript.note(AgentSaid(START, "n", "turn-1", event))
    return list(transcript.lines())


def test_what_a_person_would_read_is_kept() -> None:
    """Tools, their failures, notices and the CLI's own retries; thoughts are left out."""
    assert lines(
        ThinkingWritten("hm"),
        ToolStarted("1", "Bash", "make"),
        ToolEnded("1", "Bash", ok=False),
        NoticeGiven("context is nearly full"),
        NoticeGiven(),
        RetryNoticed("overloaded", 2, 5.0),
    ) == [
        "> Bash make",
        "  (Bash failed)",
        "(context is nearly full)",
        "(the CLI retries: overloaded)",
    ]


def test_pieces_count_once() -> None:
    """A whole message replaces its pieces; pieces without one end at the next tool call."""
    piece = TextWritten("one ", partial=True)
    assert lines(piece, TextWritten("two", partial=True), TextWritten("one two")) == ["one two"]
    assert lines(piece, piece, ToolStarted("1", "Read", "a")) == ["one one", "> Read a"]


def test_steps_and_commands_are_part_of_it() -> None:
    """With what went wrong in them."""
    transcript = Transcript()
    transcript.note(SubStepStarted(START, "n", 1, "command-1", "command", "pytest -q"))
    transcript.note(SubStepEnded(START, "n", 1, "command-1", 1.0, Failure("error", "exit 1")))
    transcript.note(SubStepStarted(START, "n", 1, "step-2", "step", "second_opinion"))
    assert list(transcript.lines()) == [
        "$ pytest -q",
        "[command-1 failed: error: exit 1]",
        "step second_opinion",
    ]
