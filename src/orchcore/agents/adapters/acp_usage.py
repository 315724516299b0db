"""Tokens and price as ACP agents tell them."""

from orchcore.agents.adapters.json_fields import Fields
from orchcore.results import Usage

UNKNOWN = Usage()


def usage_of(told: Fields) -> Usage:
    """The tokens of a prompt's answer; unknown if its numbers do not say what they count.

    Agents differ in whether input holds what came from a cache, and output the thoughts (Copilot
    CLI 1.0.102: both; OpenCode 1.18: neither). Their total tells which.

    Example:
        >>> usage_of(Fields({"inputTokens": 70, "outputTokens": 12, "thoughtTokens": 5,
        ...                  "cachedReadTokens": 30, "totalTokens": 117}))
        Usage(input_tokens=100, output_tokens=17, cached_input_tokens=30)
    """
    given, made = told.count("inputTokens"), told.count("outputTokens")
    if given is None or made is None:
        return UNKNOWN
    cached = told.count("cachedReadTokens")
    stored = (cached or 0) + (told.count("cachedWriteTokens") or 0)
    thoughts = told.count("thoughtTokens") or 0
    readings = {
        given + made + more_in + more_out: (given + more_in, made + more_out)
        for more_in in (stored, 0)
        for more_out in (thoughts, 0)
    }
    total = told.count("totalTokens")
    found = readings.get(given + made if total is None and len(readings) == 1 else total or -1)
    return UNKNOWN if found is None else Usage(*found, cached)


def cost_usd_of(update: Fields) -> float | None:
    """What a ``usage_update`` says the session has cost, if it says so in USD."""
    cost = update.part("cost")
    amount = cost.number("amount")
    return amount if cost.text("currency") == "USD" and amount is not None and amount >= 0 else None
