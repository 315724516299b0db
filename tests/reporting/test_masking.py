import json
import shlex
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchcore.events import (
    AgentSaid,
    Event,
    FinalGiven,
    NodeEnded,
    RunStarted,
    TextWritten,
    ThinkingWritten,
    TurnEnded,
    UsageReported,
)
from orchcore.reporting.masked_events import MaskedPublisher, masked
from orchcore.reporting.masking import Mask
from orchcore.reporting.sanitize import clean_line
from orchcore.results import Failure, Usage
from reporting.made_events import START

KEY = "sk-ant-0123456789abcdef"
LETTERS = "ab\"\\\n'é "
SECRETS = st.lists(st.text(LETTERS, min_size=8, max_size=14), min_size=1, max_size=3)
PARTS = st.lists(st.one_of(st.text(LETTERS, max_size=6), st.integers(0, 2)), max_size=8)


def assembled(parts: list[str | int], secrets: list[str]) -> str:
    """Noise and secrets, as *parts* say."""
    return "".join(
        secrets[part % len(secrets)] if isinstance(part, int) else part for part in parts
    )


def hidden_lines(secrets: list[str]) -> set[str]:
    """What must never be seen: secrets, and lines of them, that are long enough."""
    every = [*secrets, *(line for secret in secrets for line in secret.splitlines())]
    return {text.strip() for text in every if len(text.strip()) >= 8}


@given(SECRETS, PARTS)
def test_no_text_shown_holds_a_secret(secrets: list[str], parts: list[str | int]) -> None:
    """Neither as it is nor as JSON, repr or a shell write it, whatever stands around it."""
    mask, text = Mask.of(secrets), assembled(parts, secrets)
    written = (text, json.dumps(text), json.dumps([json.dumps({"k": text})]), repr(text))
    for shown in (*map(mask, written), mask(json.dumps(text, ensure_ascii=False))):
        assert not [one for one in hidden_lines(secrets) if one in shown]
    assert json.loads(mask.json(json.dumps(text))) is not None
    quoted = mask(shlex.quote(secrets[0].strip() + "'"))
    assert len(secrets[0].strip()) < 8 or secrets[0].strip() not in "".join(shlex.split(quoted))


@given(SECRETS, PARTS, st.lists(st.integers(0, 60)))
def test_no_secret_is_shown_in_pieces(
    secrets: list[str], parts: list[str | int], cuts: list[int]
) -> None:
    """However a text is cut, what its pieces show, joined, is what is shown of it whole."""
    mask, text = Mask.of(secrets), assembled(parts, secrets)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown, kept = "", ""
    for begin, end in pairwise(places):
        piece, kept = mask.piece(kept + text[begin:end])
        shown += piece
    shown += mask(kept)
    assert not [one for one in hidden_lines(secrets) if one in shown]


@given(st.text(), st.lists(st.integers(0, 60)))
def test_nothing_else_is_changed(text: str, cuts: list[int]) -> None:
    """A text without a secret comes out as it went in, and so do its pieces."""
    mask = Mask.of([KEY])
    assert mask(text) is text or "\x1b" in text or "\x9b" in text
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    shown, kept = "", ""
    for begin, end in pairwise(places):
        piece, kept = mask.piece(kept + text[begin:end])
        shown += piece
    assert shown + kept == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"a {KEY} b {KEY}", "a *** b ***"),
        ("Plan(token='sk-ant-01234567…', n=1)", "Plan(token='***…', n=1)"),
        ("exited with 3: sk-ant-0123456789ab", "exited with 3: ***"),
        ("keys begin with sk-ant-0", "keys begin with sk-ant-0"),
        (f"\x1b[31m{KEY[:5]}\x1b[0m{KEY[5:]}", "***"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("first-line\nshort\n  last-line-of-it", "***\nshort\n  ***"),
    ],
)
def test_mask_shows(text: str, shown: str) -> None:
    """Secrets are found whole, cut off, behind escape sequences, and line by line."""
    assert Mask.of([KEY, "first-line\nno\nlast-line-of-it"])(text) == shown


def test_short_texts_are_no_secrets() -> None:
    """A word of seven letters would be masked everywhere; asterisks hide nothing."""
    mask = Mask.of(["seven77", "", " " * 20, "**********"])
    assert not mask
    assert mask("seven77 **********") == "seven77 **********"
    assert Mask.of(["abc"], shortest=1)("--tok=abc") == "--tok=***"


def test_a_mask_does_not_tell_what_it_hides() -> None:
    """Not even to whoever prints it."""
    assert KEY not in repr(Mask.of([KEY]))


def test_json_stays_json() -> None:
    """Also where the secret is a number in it, and in keys."""
    mask = Mask.of(["12345678"])
    assert json.loads(mask.json('{"n": 12345678, "12345678": "x12345678"}')) == {
        "n": "***",
        "***": "x***",
    }
    assert mask.json("12345678 is no JSON") == "*** is no JSON"
    assert mask.data([1, None, True, ("12345678",)]) == [1, None, True, ["***"]]


def ended(value: str | None = None, text: str = "") -> TurnEnded:
    facts = (text, value, None, Usage(), None, Failure("error", text), None)
    return TurnEnded(START, "a", 1, "turn-1", 1.0, *facts, warnings=(text,))


def test_every_text_of_an_event_is_masked() -> None:
    """In failures, tuples and tables too; an event without a secret stays the same object."""
    mask = Mask.of([KEY])
    shown = masked(ended(json.dumps(KEY), KEY), mask)
    assert (shown.text, shown.answer, shown.warnings) == ("***", '"***"', ("***",))
    assert shown.failure == Failure("error", "***")
    started = RunStarted(START, "r", "o", 1, (), {"task": f"use {KEY}"})
    assert masked(started, mask).parameters == {"task": "use ***"}
    harmless = ended("1", "fine")
    assert masked(harmless, mask) is harmless
    assert masked(NodeEnded(START, "a", "failed"), Mask.of(["failed-x", "node_ended"])).kind == (
        "node_ended"
    )


def said(event: object) -> AgentSaid:
    return AgentSaid(START, "a", "turn-1", event)  # type: ignore[arg-type]


def test_pieces_are_kept_until_they_tell() -> None:
    """The beginning of a secret waits for its end, over whatever is reported between."""
    told: list[Event] = []
    publish = MaskedPublisher(Mask.of([KEY]), told.append)
    for event in (
        TextWritten("the key is sk-", partial=True),
        ThinkingWritten("it is sk-ant-0", partial=True),
        UsageReported(Usage()),
        TextWritten(KEY[3:] + " and s", partial=True),
        FinalGiven(ok=True),
    ):
        publish(said(event))
    publish(ended())
    texts = [
        event.event
        for event in told
        if isinstance(event, AgentSaid) and isinstance(event.event, TextWritten | ThinkingWritten)
    ]
    assert "".join(one.text for one in texts if isinstance(one, TextWritten)) == (
        "the key is *** and s"
    )
    assert "".join(one.text for one in texts if isinstance(one, ThinkingWritten)) == (
        "it is sk-ant-0"
    )
    assert [type(event) for event in told][-1] is TurnEnded


def test_hiding_costs_little() -> None:
    """100,000 events without a secret pass in a time that nobody notices."""
    publish = MaskedPublisher(Mask.of([f"{number}{KEY}" for number in range(5)]), lambda _: None)
    events = [said(TextWritten("some words of an agent ", partial=True))] * 1000
    began = time.process_time()
    for _ in range(100):
        for event in events:
            publish(event)
    assert time.process_time() - began < 5


@given(SECRETS, PARTS)
def test_cleaning_reveals_nothing(secrets: list[str], parts: list[str | int]) -> None:
    """What displays make of a masked text holds no secret either."""
    coloured = "\x1b[1m".join(assembled(parts, secrets))
    shown = clean_line(Mask.of(secrets)(coloured))
    tame = [secret for secret in hidden_lines(secrets) if secret.isprintable()]
    assert not [one for one in tame if one in shown]
