"""Steps of a turn of OpenCode: what was said and called in one, what they used together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchcore.agents.adapters.json_fields import Fields, one_line
from orchcore.results import Usage

_REFUSALS = (
    "The user rejected permission",
    "The user has specified a rule which prevents",
    "Model tried to call unavailable tool",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a step.

    Attributes:
        id: Ascending in the order in which parts are made.
        text: What was written; ``None`` for a tool call.
    """

    id: str
    text: str | None = None


@dataclass(slots=True)
class Step:
    """One request to the model and the tools that it called.

    Attributes:
        message_id: The message that it writes.
        parts: In the order of their lines.
        waits: Whether it called a tool whose result goes to the model, in another step.
        denied: Names of tools that it was not allowed to run.
        reason: Why it finished; empty while it runs.
    """

    message_id: str
    parts: list[Part] = field(default_factory=list[Part])
    waits: bool = False
    denied: list[str] = field(default_factory=list[str])
    reason: str = ""

    def add(self, part: Part) -> None:
        """Takes *part*, in place of what was told of it before."""
        self.parts = [one for one in self.parts if not part.id or one.id != part.id]
        self.parts.append(part)

    @property
    def text(self) -> str:
        """What it wrote after its last tool call."""
        parts = self.parts
        if all(part.id for part in parts):
            parts = sorted(parts, key=lambda part: part.id)
        said: list[str] = []
        for part in parts:
            said = [] if part.text is None else [*said, part.text]
        return "\n".join(said)


def call_of(part: Fields) -> tuple[str, bool, bool]:
    """Name of a called tool, whether it did well, whether it was not allowed to run."""
    name, state = part.text("tool") or "?", part.part("state")
    said = state.text("error")
    if name == "invalid":
        asked = state.part("input")
        name, said = asked.text("tool") or name, asked.text("error")
        return name, False, said.startswith(_REFUSALS)
    code = state.part("metadata").raw.get("exit", 0)
    ok = state.text("status") == "completed" and code == 0
    return name, ok, not ok and said.startswith(_REFUSALS)


_TELLING = ("command", "filePath", "path", "pattern", "url", "query", "description", "prompt")


def summary_of(state: Fields) -> str:
    """One line of a call's input: a command, a path."""
    asked = state.part("input")
    return asked.first_line(_TELLING) or one_line(state.text("title"))


def usage_of(steps: Sequence[Fields]) -> Usage:
    """Tokens of all ``step_finish`` parts: input from and to the cache, and reasoning, too."""
    tokens = [part.part("tokens") for part in steps]
    caches = [step.part("cache") for step in tokens]
    cached, written = _sum(caches, "read"), _sum(caches, "write")
    return Usage(
        _plus(_plus(_sum(tokens, "input"), cached), written),
        _plus(_sum(tokens, "output"), _sum(tokens, "reasoning")),
        cached,
    )


def cost_usd_of(steps: Sequence[Fields]) -> float | None:
    """The price of all ``step_finish`` parts; unknown if that of any is."""
    costs = [_price(part) for part in steps]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def _price(step: Fields) -> float | None:
    """What a step cost: a model without a price has the cost 0, which is no price."""
    cost = step.number("cost")
    return cost if cost or not step.part("tokens").count("total") else None


def _sum(parts: Sequence[Fields], key: str) -> int | None:
    told = [count for part in parts if (count := part.count(key)) is not None]
    return sum(told) if told else None


def _plus(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other
