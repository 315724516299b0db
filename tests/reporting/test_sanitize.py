import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchcore.reporting.sanitize import clean_line, clean_lines, harmless_in_logs
from reporting.made_events import HOSTILE


@given(st.text())
def test_cleaned_text_holds_only_what_can_be_seen(text: str) -> None:
    """Whatever comes in, what goes out prints as it reads, in one line."""
    shown = clean_line(text).replace("\u200c", "").replace("\u200d", "")
    assert shown.isprintable()


@given(st.lists(st.sampled_from(["\x1b", "[", "]", "31m", "0;", "\x07", "\\", "P", "\x9b", "a"])))
def test_no_combination_of_sequence_parts_leaves_a_sequence(parts: list[str]) -> None:
    """Removing a sequence never makes a new one out of what was around it."""
    assert not set(clean_line("".join(parts))) & {"\x1b", "\x9b", "\x07"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m tea", "red tea"),
        ("\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r\x1b\\kept \x1b(Bthis", "kept this"),
        ("\x9b2Jall \x9d0;t\x9cof it", "all of it"),
        ("a\tb\r\nc\u2028d", "a b  c d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("nul\x00bell\x07half\ud800", "nul\\x00bell\\x07half\\ud800"),
        ("日本 👩‍💻 é", "日本 👩‍💻 é"),
    ],
)
def test_clean_line_shows(text: str, shown: str) -> None:
    """Sequences vanish, blanks are spaces, what is invisible is written out."""
    assert clean_line(text) == shown


def test_a_line_of_megabytes_is_cut() -> None:
    """One line costs bounded time and room, whatever an agent prints."""
    assert len(clean_line("x" * 2_000_000)) < 5000


def test_every_kind_of_line_end_ends_a_line() -> None:
    """A lone carriage return cannot hide what stands before it."""
    assert clean_lines("a\r\nb\rc\nd\u2029e") == ["a", "b", "c", "d", "e"]
    assert clean_lines("a\nb\nc", 2) == ["a", "b"]


@given(st.text(alphabet=":# []abvso\t"))
def test_no_line_is_left_that_a_ci_system_would_obey(text: str) -> None:
    """Neither a leading ``::`` nor ``##[`` or ``##vso[`` anywhere survives."""
    line = harmless_in_logs(clean_line(text))
    assert not line.lstrip().startswith("::")
    assert "##[" not in line
    assert "##vso[" not in line


def test_the_hostile_sample_is_tamed() -> None:
    """What the made-up runs print is harmless line by line."""
    for line in clean_lines(HOSTILE):
        assert not harmless_in_logs(line).lstrip().startswith(("::", "##"))
