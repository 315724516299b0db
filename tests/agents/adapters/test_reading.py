import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.agents.adapters.reset_times import reset_time, retry_after_header_s, retry_after_s

NOW = datetime(2026, 12, 30, 16, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("You've hit your limit · resets 5:56pm (UTC)", datetime(2026, 12, 30, 17, 56, tzinfo=UTC)),
        ("resets 3pm", datetime(2026, 12, 31, 15, 0, tzinfo=UTC)),
        ("resets at 12am (UTC)", datetime(2026, 12, 31, 0, 0, tzinfo=UTC)),
        ("resets 17:30 (UTC)", datetime(2026, 12, 30, 17, 30, tzinfo=UTC)),
        ("resets 6pm (Europe/Berlin)", datetime(2026, 12, 30, 17, 0, tzinfo=UTC)),
        ("resets Jan 2, 5pm (UTC)", datetime(2027, 1, 2, 17, 0, tzinfo=UTC)),
        ("resets Dec 31 at 5:30am (UTC)", datetime(2026, 12, 31, 5, 30, tzinfo=UTC)),
        ("Claude AI usage limit reached|1795456603", datetime.fromtimestamp(1795456603, UTC)),
        ("more credits or try again at 5:48 PM.", datetime(2026, 12, 30, 17, 48, tzinfo=UTC)),
        ("try again at Feb 4th, 2027 5:48 PM", datetime(2027, 2, 4, 17, 48, tzinfo=UTC)),
        ("resets Mon 12:00 AM", datetime(2027, 1, 4, 0, 0, tzinfo=UTC)),
        ("resets 3pm PST", datetime(2026, 12, 30, 23, 0, tzinfo=UTC)),
        ("resets at 2026-12-30T17:00:00Z", datetime(2026, 12, 30, 17, 0, tzinfo=UTC)),
        ("available again at 2026-12-31 01:00", datetime(2026, 12, 31, 1, 0, tzinfo=UTC)),
    ],
)
def test_reset_time_is_read(text: str, moment: datetime) -> None:
    """A vendor's clock time is the next such moment, in its own zone."""
    assert reset_time(text, NOW, UTC) == moment.timestamp()


@pytest.mark.parametrize(
    ("now", "text", "moment"),
    [
        # On 2026-11-01 the clock is put back from 2:00 EDT to 1:00 EST.
        ("2026-11-01T01:30-04:00", "resets 1:45am", "2026-11-01T01:45-04:00"),
        ("2026-11-01T01:30-04:00", "resets 1:15am", "2026-11-01T01:15-05:00"),
        ("2026-11-01T01:30-05:00", "resets 1:45am", "2026-11-01T01:45-05:00"),
        ("2026-10-31T23:00-04:00", "resets 11pm", "2026-11-01T23:00-05:00"),
        # On 2027-03-14 it is put forward from 2:00 EST to 3:00 EDT.
        ("2027-03-14T01:30-05:00", "resets 2:30am", "2027-03-14T03:30-04:00"),
        ("2027-03-14T01:30-05:00", "resets 3am", "2027-03-14T03:00-04:00"),
    ],
)
def test_daylight_saving_is_kept(now: str, text: str, moment: str) -> None:
    """A time of day is the next one that a clock there shows, also when it is changed."""
    found = reset_time(text, datetime.fromisoformat(now).timestamp(), ZoneInfo("America/New_York"))
    assert found == datetime.fromisoformat(moment).timestamp()


def test_time_without_zone_is_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codex prints the clock of the machine it runs on, which is ours."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = reset_time("try again at 5:48 PM", NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == datetime(2026, 12, 31, 8, 48, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *("", "resets soon", "resets 99pm", "resets Feb 31, 5pm", "preset 5", "retry 3 of 10"),
        *(
            "resets 6pm (No/Such_Zone)",
            "resets in 3h 20m",
            "retry after 2026-11-23",
            "resets 25:00",
        ),
    ],
)
def test_no_reset_time_is_none(text: str) -> None:
    """What is no time is not guessed."""
    assert reset_time(text, NOW) is None


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
        ("Your quota will reset after 2h39m52s.", 9592.0),
        ("try again in 5 days 3 hours 27 minutes", 444420.0),
        ("try again in 1 hour, 2 minutes and 3 seconds", 3723.0),
        ("try again in 6m0s", 360.0),
        ("retrying in 40 milliseconds", 0.04),
        ("retry-after: 30", 30.0),
        ('{"retry_after_seconds": 12}', 12.0),
        ('{"resets_at":1795456501,"resets_in_seconds":3600}', 3600.0),
        ("Please retry in 39.37s", 39.37),
        ("try again at 5:48 PM", None),
        ("Try again in 2 months", None),
        ("Retry in 2.5 business days", None),
        ("Retry-After: 30\nServer: x", 30.0),
        (f"retry-after: {'9' * 400}", None),
        (f"try again in {'9' * 400} s", None),
    ],
)
def test_wait_is_read(text: str, seconds: float | None) -> None:
    """A wait in a message is read in seconds."""
    assert retry_after_s(text) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("inf", None),
        ("Wed, 30 Dec 2026 16:02:00 GMT", 120.0),
        ("-1", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_header_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    """A header is read in both of its forms (RFC 9110, 10.2.3)."""
    assert retry_after_header_s(value, NOW) == seconds


def test_fields_of_any_type_are_read() -> None:
    """A field of another type than expected reads as absent."""
    fields = Fields.of_line(b'{"t":1,"n":"x","b":true,"f":-2.5,"l":[{},3,"w"],"o":[],"i":1e999}')
    assert fields is not None
    assert (fields.text("t"), fields.number("n"), fields.number("b")) == ("", None, None)
    assert (fields.flag("b"), fields.flag("t"), fields.count("f")) == (True, None, None)
    assert (list(fields.parts("l")), fields.words("l")) == ([Fields()], ("w",))
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
