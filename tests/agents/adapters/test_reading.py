from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import ANY_SPEED
from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.reset_times import reset_time, retry_after_s

NOW = datetime(2026, 12, 30, 16, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("You've hit your limit · resets 5:56pm (UTC)", datetime(2026, 12, 30, 17, 56, tzinfo=UTC)),
        ("resets 3pm", datetime(2026, 12, 31, 15, 0, tzinfo=UTC)),
        ("resets at 12am (UTC)", datetime(2026, 12, 31, 0, 0, tzinfo=UTC)),
        ("resets 17:30 (UTC)", datetime(2026, 12, 30, 17, 30, tzinfo=UTC)),
        ("resets 6pm (Europe/Berlin)", datetime(2026, 12, 30, 17, 0, tzinfo=UTC)),
        ("resets 6pm (No/Such_Zone)", datetime(2026, 12, 30, 18, 0, tzinfo=UTC)),
        ("resets Jan 2, 5pm (UTC)", datetime(2027, 1, 2, 17, 0, tzinfo=UTC)),
        ("resets Dec 31 at 5:30am (UTC)", datetime(2026, 12, 31, 5, 30, tzinfo=UTC)),
        ("Claude AI usage limit reached|1795456603", datetime.fromtimestamp(1795456603, UTC)),
    ],
)
def test_reset_time_is_read(text: str, moment: datetime) -> None:
    """A vendor's clock time is the next such moment, in its own zone."""
    assert reset_time(text, NOW) == moment.timestamp()


@pytest.mark.parametrize(
    "text", ["", "resets soon", "resets 99pm", "resets Feb 31, 5pm", "preset 5"]
)
def test_no_reset_time_is_none(text: str) -> None:
    """What is no time is not guessed."""
    assert reset_time(text, NOW) is None


@ANY_SPEED
@given(st.text(), st.floats())
def test_reset_time_never_raises(text: str, now: float) -> None:
    """Any text is read without an exception."""
    reset_time(f"resets {text}", now)
    reset_time(text, now)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 1.5s.", 1.5),
        ("try again in 20 seconds", 20.0),
        ("Retry after 250ms", 0.25),
        ("try again in 3 minutes", 180.0),
        ("try again later", None),
    ],
)
def test_wait_is_read(text: str, seconds: float | None) -> None:
    """A wait in a message is read in seconds."""
    assert retry_after_s(text) == seconds


def test_fields_of_any_type_are_read() -> None:
    """A field of another type than expected reads as absent."""
    fields = Fields.of_line(b'{"t":1,"n":"x","b":true,"f":-2.5,"l":[{},3,"w"],"o":[],"i":1e999}')
    assert fields is not None
    assert (fields.text("t"), fields.number("n"), fields.number("b")) == ("", None, None)
    assert (fields.flag("b"), fields.flag("t"), fields.count("f")) == (True, None, None)
    assert (fields.parts("l"), fields.words("l")) == ((Fields(),), ("w",))
    assert (fields.part("o"), fields.number("i")) == (Fields(), None)
    assert ("t" in fields, "z" in fields) == (True, False)


def test_numbers_beyond_all_bounds_are_absent() -> None:
    """An integer too big for a float, or too long to be parsed, harms nothing."""
    assert Fields({"n": 10**400}).number("n") is None
    assert Fields.of_line(b'{"n":' + b"9" * 5000 + b"}") is None


def test_one_line_is_short_and_flat() -> None:
    """Text for a person is one line of bounded length."""
    assert one_line(" a\n\tb ") == "a b"
    assert len(one_line("x" * 999)) == 200
