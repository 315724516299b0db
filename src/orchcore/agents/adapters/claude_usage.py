"""Tokens and cost of one turn of Claude Code, out of fields that count over different spans."""

from collections.abc import Iterable, Mapping, Sequence

from orchcore.agents.adapters.json_fields import Fields
from orchcore.results import Usage


def spent(
    results: Sequence[Fields], steps: Sequence[Fields], *, resumed: bool
) -> tuple[Usage, float | None]:
    """What this process alone used, and its price in USD.

    Args:
        results: Its ``result`` lines, in order.
        steps: ``message.usage`` of each reply; used only while there is no ``result``.
        resumed: Whether the session had turns before, so that session sums say too much.

    Returns:
        Usage and cost; what the stream does not tell is ``None``. Without a ``result`` line the
        input is known and the output is not: a reply's line carries a placeholder.
    """
    if not results:
        return _of_steps(steps), None
    since = [part for line in results for part in line.part(_SINCE_LAST).values()]
    usage = _of_models(since) if since else _of_results(results)
    return usage, _cost_usd(results, since, usage, resumed=resumed)


def models(results: Sequence[Fields]) -> Mapping[str, Usage]:
    """Tokens of this process by model; empty where the CLI does not tell."""
    names = dict.fromkeys(name for line in results for name in line.part(_SINCE_LAST).raw)
    return {
        name: _of_models([line.part(_SINCE_LAST).part(name) for line in results]) for name in names
    }


_SINCE_LAST = "model_usage_since_last_result"


def _cost_usd(
    results: Sequence[Fields], since: Sequence[Fields], usage: Usage, *, resumed: bool
) -> float | None:
    if since:
        costs = [part.number("costUSD") for part in since]
        return None if None in costs else sum(cost for cost in costs if cost is not None)
    if all(_SINCE_LAST in line for line in results) and not _any_tokens(usage):
        return 0.0  # nothing was bought: the request was refused
    total = results[-1].number("total_cost_usd")
    # Claude Code 2.1.197 has only the session's total, which is this turn's in a new session.
    return total if not resumed and (total or not _any_tokens(usage)) else None


def _any_tokens(usage: Usage) -> bool:
    return bool(usage.input_tokens or usage.output_tokens)


def _of_models(models: Sequence[Fields]) -> Usage:
    return _usage(
        models,
        ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"),
        "outputTokens",
        "cacheReadInputTokens",
    )


def _of_results(results: Sequence[Fields]) -> Usage:
    return _usage(
        [line.part("usage") for line in results], _INPUT, "output_tokens", "cache_read_input_tokens"
    )


def _of_steps(steps: Sequence[Fields]) -> Usage:
    usage = _usage(steps, _INPUT, "output_tokens", "cache_read_input_tokens")
    return Usage(usage.input_tokens, None, usage.cached_input_tokens)


_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _usage(parts: Sequence[Fields], inputs: Sequence[str], output: str, cached: str) -> Usage:
    return Usage(
        input_tokens=_sum(part.count(key) for part in parts for key in inputs),
        output_tokens=_sum(part.count(output) for part in parts),
        cached_input_tokens=_sum(part.count(cached) for part in parts),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if told else None
