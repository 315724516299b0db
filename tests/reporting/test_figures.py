import pytest

from orchcore.reporting.figures import counted, shown_cost, shown_duration, shown_seconds


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0.0s"),
        (0.44, "0.4s"),
        (9.99, "9.9s"),
        (41.9, "41s"),
        (59.99, "59s"),
        (190, "3m10"),
        (3599.9, "59m59"),
        (3725, "1h02"),
        (100_000, "27h46"),
    ],
)
def test_durations_are_rounded_down(seconds: float, shown: str) -> None:
    """No duration is shown as longer than it was, and none as 60 seconds."""
    assert shown_duration(seconds) == shown


def test_durations_that_move_have_no_tenths() -> None:
    """A running clock counts whole seconds."""
    assert [shown_seconds(value) for value in (0.9, 9.9, 75)] == ["0s", "9s", "1m15"]


@pytest.mark.parametrize(
    ("cost_usd", "unpriced", "shown"),
    [
        (None, 0, ""),
        (None, 2, "cost unknown (2 turns unpriced)"),
        (0.0, 0, "$0.00"),
        (0.001, 0, "<$0.01"),
        (1.9, 1, "$1.90 (1 turn unpriced)"),
        (1234.5, 0, "$1,234.50"),
    ],
)
def test_unknown_prices_are_never_zero(cost_usd: float | None, unpriced: int, shown: str) -> None:
    """What is not known is said to be unknown."""
    assert shown_cost(cost_usd, unpriced) == shown


def test_counts_agree_with_their_nouns() -> None:
    """One turn, many turns."""
    assert [counted(number, "turn") for number in (0, 1, 1200)] == [
        "0 turns",
        "1 turn",
        "1,200 turns",
    ]
