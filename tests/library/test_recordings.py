"""What every adapter must stand, on recordings of the built-in ones; and that it is noticed."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.line_adapter import LineAdapter, LineParser
from orchcore.agents.adapters.finder import find_adapters
from orchcore.agents.adapters.protocol import Ending
from orchcore.agents.invocation import Invocation
from orchcore.events import AgentEvent
from orchcore.results import TurnResult
from orchcore.testing import check_adapter

GOLDENS = Path(__file__).parent.parent / "golden"
GOOD = b'{"say": "hi"}\n{"final": true}\n'
STREAMS = sorted(path for path in GOLDENS.glob("*/*.jsonl") if path.stat().st_size < 100_000)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_built_in_adapters_stand_it(path: Path) -> None:
    """Every recording, with a few damages of each kind."""
    meta = json.loads(path.with_suffix(".meta.json").read_text())
    adapter = find_adapters([])[path.parent.name.split("-")[0]]
    stream, stderr = path.read_bytes(), meta["stderr"]
    check_adapter(adapter, stream, exit_code=meta["exit_code"], stderr=stderr, tries=10)


def test_a_good_stream_is_given_back() -> None:
    """The check says nothing, and gives what the parser made of it."""
    result = check_adapter(LineAdapter(), GOOD)
    assert (result.text, result.failure) == ("hi", None)


class Gullible(LineParser):
    """Takes any end for a good one."""

    def finish(self, ending: Ending) -> TurnResult:
        del ending
        return TurnResult(text=self.text)


class Fragile(LineParser):
    """Does not know that a line may be anything."""

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        json.loads(line or b"{}")
        return super().parse(line)


class Confused(LineParser):
    """Forgets its text over what it does not know."""

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        events = super().parse(line)
        self.text = self.text if events or not line else ""
        return events


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        (Gullible, r"a success although the stream was cut after \d+ bytes"),
        (Fragile, r"JSONDecodeError\(.*\) when the stream was read with byte \d+"),
        (Confused, r"another outcome with an unknown line before line \d: ''"),
    ],
)
def test_a_bad_parser_is_found_out(parser: type[LineParser], said: str) -> None:
    """Whatever it does wrong is named."""

    class Adapter(LineAdapter):
        def parser(self, invocation: Invocation) -> LineParser:
            del invocation
            return parser()

    with pytest.raises(AssertionError, match=said):
        check_adapter(Adapter(), GOOD)
