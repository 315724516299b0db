"""What a turn cost, from its tokens."""

import pytest

from orchcore.agents.pricing import Prices, load_prices, priced
from orchcore.results import TurnResult, Usage

MILLION = 1_000_000


def cost_usd(result: TurnResult, model: str | None = None, prices: Prices | None = None) -> object:
    return priced(result, model, prices).cost_usd


def test_a_told_price_stays() -> None:
    """What the CLI says is not computed again."""
    assert cost_usd(TurnResult(cost_usd=0.5, usage=Usage(MILLION, 1)), "gpt-5") == 0.5


def test_a_listed_model_is_priced() -> None:
    """Cached input is cheaper; a provider's prefix does not matter."""
    load_prices()
    fresh = cost_usd(TurnResult(usage=Usage(MILLION, 0, 0)), "gpt-5")
    cached = cost_usd(TurnResult(usage=Usage(MILLION, 0, MILLION)), "gpt-5")
    assert isinstance(fresh, float)
    assert isinstance(cached, float)
    assert 0 < cached < fresh
    assert cost_usd(TurnResult(usage=Usage(MILLION, 0, 0)), "openai/gpt-5") == fresh


@pytest.mark.parametrize(
    ("result", "model"),
    [
        (TurnResult(usage=Usage(10, 10)), "no-such-model"),
        (TurnResult(usage=Usage(10, 10)), None),
        (TurnResult(usage=Usage(10, None)), "gpt-5"),
        (TurnResult(), "gpt-5"),
        (TurnResult(models={"gpt-5": Usage(1, 1), "no-such-model": Usage(1, 1)}), None),
    ],
)
def test_what_cannot_be_known_has_no_price(result: TurnResult, model: str | None) -> None:
    """Never $0 for an unknown model, unknown tokens or a part of them."""
    assert cost_usd(result, model) is None


def test_models_that_the_cli_told_are_what_is_priced() -> None:
    """Not the one that was asked for; their prices are added."""
    models = {"gpt-5": Usage(MILLION, 0, 0), "gpt-5-mini": Usage(MILLION, 0, 0)}
    both = cost_usd(TurnResult(models=models), "no-such-model")
    each = [cost_usd(TurnResult(usage=usage), name) for name, usage in models.items()]
    assert both == pytest.approx(sum(one for one in each if isinstance(one, float)))


def test_own_prices_win() -> None:
    """Over the list and over what the CLI says, for any model."""
    prices = Prices(input=2, output=10, cached_input=0.5)
    result = TurnResult(usage=Usage(3 * MILLION, MILLION, MILLION), cost_usd=99.0)
    assert cost_usd(result, "mine", prices) == pytest.approx(2 * 2 + 0.5 + 10)
    assert cost_usd(result, None, Prices(2, 10)) == pytest.approx(3 * 2 + 10)


def test_nothing_used_costs_nothing() -> None:
    """A refused request has a price, whatever its model."""
    assert cost_usd(TurnResult(usage=Usage(0, 0)), "no-such-model") == 0.0
