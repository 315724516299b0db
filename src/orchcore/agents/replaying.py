"""Reads a recorded stream as if its agent had just printed it; starts nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchcore.agents.adapters.protocol import Adapter, Ending, Parser
from orchcore.agents.invocation import Invocation
from orchcore.agents.lines import LineSplitter
from orchcore.agents.pricing import Prices, priced
from orchcore.policies import TurnLimits
from orchcore.results import Failure, TurnResult


@dataclass(frozen=True, slots=True)
class Recorded:
    """A turn that was recorded.

    Attributes:
        chunks: Its stdout, in pieces of any size.
        exit_code: Of its process; negative for a signal.
        stderr: The last of its stderr.
        model: The model that was asked for, for its price.
        schema: The JSON schema of the answer, if one was asked for.
        prices: Prices that replace the known ones.
    """

    chunks: Iterable[bytes]
    exit_code: int = 0
    stderr: str = ""
    model: str | None = None
    schema: Mapping[str, object] | None = None
    prices: Prices | None = None


def replay(adapter: Adapter, recorded: Recorded) -> TurnResult:
    """What *recorded* came to, as *adapter* understands it.

    A line that is longer than a live turn may print is a failure, as it would be there.
    """
    limit_bytes = TurnLimits().line_limit_bytes
    parser = parser_of(adapter, recorded)
    lines = LineSplitter(limit_bytes)
    for chunk in recorded.chunks:
        for line in lines.feed(chunk):
            parser.parse(line)
    result = parser.finish(
        Ending(exit_code=recorded.exit_code, stderr_tail=recorded.stderr, cut_line=lines.rest)
    )
    if lines.overlong_lines:
        failure = Failure("output_limit", f"has a line of more than {limit_bytes} bytes")
        malformed = result.malformed_lines + lines.overlong_lines
        result = replace(result, failure=failure, malformed_lines=malformed)
    return priced(result, recorded.model, recorded.prices)


def parser_of(adapter: Adapter, recorded: Recorded) -> Parser:
    """A fresh parser for the stream of *recorded*."""
    here = Path.cwd()
    return adapter.parser(
        Invocation(
            agent=adapter.name,
            adapter=adapter.name,
            prompt="",
            cwd=here,
            folder=here,
            session_folder=here,
            new_session_id="",
            model=recorded.model,
            schema=recorded.schema,
        )
    )
