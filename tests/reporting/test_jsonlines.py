import io
import json
import os

from orchcore.events import Event, NodeEnded, Warned, event_from_json
from orchcore.reporting.audience import Audience
from orchcore.reporting.jsonlines import JsonLines
from orchcore.reporting.quiet import QuietDisplay
from reporting.made_events import START, whole_run


def written(events: list[Event]) -> tuple[str, str]:
    """What goes to stdout and to stderr."""
    out, err = io.StringIO(), io.StringIO()
    display = JsonLines(out, QuietDisplay(err, {}))
    for event in events:
        display.on_event(event)
    display.tick()
    display.close()
    return out.getvalue(), err.getvalue()


def test_every_event_is_one_line_that_can_be_read_back() -> None:
    """Nothing but events is on stdout, the first tells the schema's version."""
    events = list(whole_run())
    out, _ = written(events)
    lines = out.splitlines()
    assert [event_from_json(line) for line in lines] == events
    assert json.loads(lines[0])["schema_version"] == 1


def test_people_read_the_summary_on_stderr() -> None:
    """With the warnings, and without progress."""
    _, err = written(list(whole_run()))
    assert err.startswith("! implement: pid 4121 could not be ended\n\n──── review:style failed")
    assert err.endswith("go on:   orchcore resume 7f3c\n")


def test_half_a_surrogate_pair_is_still_json() -> None:
    """An agent that cuts an emoji in two does not end the stream."""
    out, _ = written([Warned(START, "cut \ud83d"), Warned(START, "next")])
    texts = [json.loads(line)["text"] for line in out.splitlines()]
    assert texts == ["cut \ud83d", "next"]


def test_a_reader_that_leaves_does_not_silence_the_summary() -> None:
    """``| head -1`` closes stdout; stderr and the run go on."""
    reading, writing = os.pipe()
    os.close(reading)
    err = io.StringIO()
    with os.fdopen(writing, "w") as out:
        audience = Audience([JsonLines(out, QuietDisplay(err, {}))])
        for event in whole_run():
            audience.publish(event)
        assert audience.settle(5)
        audience.publish(NodeEnded(START, "late", "passed"))
        assert audience.close() == ()
    assert "5 passed, 1 failed" in err.getvalue()


def test_warnings_wait_while_a_question_is_open() -> None:
    """The quiet display yields the terminal too."""
    err = io.StringIO()
    display = QuietDisplay(err, {})
    display.pause()
    display.on_event(Warned(START, "later"))
    assert err.getvalue() == ""
    display.resume()
    display.tick()
    assert err.getvalue() == "! later\n"
    display.close()
