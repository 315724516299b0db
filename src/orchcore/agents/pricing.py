"""What a turn cost, where its CLI told tokens and no price."""

from dataclasses import dataclass, replace

from orchcore.results import TurnResult, Usage

_PER_MILLION = 1e-6


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens, in place of the known prices of a model.

    Attributes:
        input: Of input that was not read from a cache.
        output: Of output, thinking included.
        cached_input: Of input that was read from a cache; as *input* if ``None``.
    """

    input: float
    output: float
    cached_input: float | None = None

    def usd(self, usage: Usage) -> float:
        """The price of *usage*; what is unknown of it counts as nothing."""
        cached = usage.cached_input_tokens or 0
        fresh = (usage.input_tokens or 0) - cached
        cached_price = self.input if self.cached_input is None else self.cached_input
        output = (usage.output_tokens or 0) * self.output
        return (fresh * self.input + cached * cached_price + output) * _PER_MILLION


def priced(result: TurnResult, model: str | None, prices: Prices | None = None) -> TurnResult:
    """*result* with its price, if its CLI told none and it can be known.

    The price of each model comes from *prices*, else from genai-prices. A turn that used a model
    that is not listed there, or whose tokens or model are not known, stays without a price.

    Args:
        result: Of one turn.
        model: The model that was asked for; used where the CLI did not tell which it took.
        prices: The user's own prices.

    Example:
        >>> result = TurnResult(usage=Usage(1_000_000, 0))
        >>> priced(result, "mine", Prices(input=2, output=8)).cost_usd
        2.0
    """
    if result.cost_usd is not None and prices is None:
        return result
    used: dict[str | None, Usage] = dict(result.models.items())
    if not used and (model or prices):
        used = {model: result.usage}
    costs = [_usd(name, usage, prices) for name, usage in used.items()]
    if not costs or None in costs:
        return result
    return replace(result, cost_usd=sum(cost for cost in costs if cost is not None))


def load_prices() -> None:
    """Loads the price list, which takes a third of a second; else the first price does."""
    _listed_usd("gpt-5", Usage(0, 0))


def _usd(model: str | None, usage: Usage, prices: Prices | None) -> float | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    if prices is not None:
        return prices.usd(usage)
    if not (usage.input_tokens or usage.output_tokens):
        return 0.0
    return None if model is None else _listed_usd(model, usage)


def _listed_usd(model: str, usage: Usage) -> float | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
    )
    provider, _, name = model.rpartition("/")
    for ref, provider_id in ((model, None), (name, provider or None), (name, None)):
        try:
            return float(calc_price(tokens, ref, provider_id=provider_id).total_price)
        except LookupError:  # no such model or provider
            continue
    return None
