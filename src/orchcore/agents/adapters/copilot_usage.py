"""Tokens of one turn of Copilot CLI, out of the file that ``--usage-output-file`` names.

Measured with 1.0.102: the file counts over the whole session, resumed turns included; cached input
is part of the input; a killed process writes none. The stream itself tells no tokens.
"""

from collections.abc import Iterable, Mapping, Sequence

from orchcore.agents.adapters.json_fields import Fields
from orchcore.results import Usage


def spent(
    file: bytes, calls: Sequence[Fields], *, resumed: bool, before: Usage | None
) -> tuple[Usage, Mapping[str, Usage]]:
    """What this process alone used, and that by model.

    Args:
        file: The usage file's content; empty if there is none.
        calls: ``assistant.usage`` of each model call: in the schema, not printed by 1.0.102.
        resumed: Whether the session had turns before.
        before: Tokens of those turns; ``None`` if that is not known.

    Returns:
        Usage in all and by model; unknown where it cannot be told from what was used before. Of a
        resumed session that used several models only the sum is known.
    """
    if calls:
        of_calls = _of_calls(calls)
        return _sum(of_calls.values()), of_calls
    of_session = _of_session(file)
    total = _sum(of_session.values())
    if not resumed:
        return total, of_session
    if before is None:
        return Usage(), {}
    usage = _less(total, before)
    return usage, dict.fromkeys(of_session, usage) if len(of_session) == 1 else {}


def _of_session(file: bytes) -> Mapping[str, Usage]:
    metrics = (Fields.of_line(file) or Fields()).part("modelMetrics")
    return {name: _usage(metrics.part(name).part("usage")) for name in metrics.raw}


def _of_calls(calls: Sequence[Fields]) -> Mapping[str, Usage]:
    names = dict.fromkeys(call.text("model") for call in calls)
    return {
        name: _sum(_usage(call) for call in calls if call.text("model") == name) for name in names
    }


def _usage(part: Fields) -> Usage:
    return Usage(
        part.count("inputTokens"), part.count("outputTokens"), part.count("cacheReadTokens")
    )


def _sum(usages: Iterable[Usage]) -> Usage:
    told = list(usages)
    return Usage(
        _added(usage.input_tokens for usage in told),
        _added(usage.output_tokens for usage in told),
        _added(usage.cached_input_tokens for usage in told),
    )


def _added(counts: Iterable[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _less(total: Usage, before: Usage) -> Usage:
    return Usage(
        _rest(total.input_tokens, before.input_tokens),
        _rest(total.output_tokens, before.output_tokens),
        _rest(total.cached_input_tokens, before.cached_input_tokens),
    )


def _rest(total: int | None, before: int | None) -> int | None:
    """*total* without *before*; unknown if one is, or if there was more before than altogether."""
    if total is None or before is None or before > total:
        return None
    return total - before
