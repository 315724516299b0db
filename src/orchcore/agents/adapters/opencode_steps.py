"""Steps of a turn of OpenCode: what was said and called in one, what they used together."""

from dataclasses import dataclass, field
from itertools import takewhile

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
        parts: In the order of their lines, by id; by number where they have none.
        waits: Whether it called a tool whose result goes to the model, in another step.
        denied: Names of tools that it was not allowed to run.
        reason: Why it finished; empty while it runs.
    """

    message_id: str
    parts: dict[str | int, Part] = field(default_factory=dict[str | int, Part])
    waits: bool = False
    denied: list[str] = field(default_factory=list[str])
    reason: str = ""

    def add(self, part: Part) -> None:
        """Takes *part*, in place of what was told of it before."""
        self.parts.pop(part.id, None)
        self.parts[part.id or len(self.parts)] = part

    @property
    def text(self) -> str:
        """What it wrote after its last tool call."""
        parts = [*self.parts.values()]
        if all(part.id for part in parts):
            parts.sort(key=lambda part: part.id)
        said = takewhile(lambda text: text is not None, (part.text for part in reversed(parts)))
        return "\n".join(reversed([text for text in said if text is not None]))


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


@dataclass(slots=True)
class Spent:
    """What all steps of a turn used together.

    Attributes:
        steps: How many there were.
    """

    steps: int = 0
    _tokens: dict[str, int] = field(default_factory=dict[str, int])
    _cost_usd: float | None = 0.0

    def add(self, step: Fields) -> None:
        """Counts a ``step_finish`` part; its price is unknown if that of any step is."""
        self.steps += 1
        tokens = step.part("tokens")
        for part in (tokens, tokens.part("cache")):
            for key in part.raw:
                if (count := part.count(key)) is not None:
                    self._tokens[key] = self._tokens.get(key, 0) + count
        cost_usd = _price(step)
        if cost_usd is None or self._cost_usd is None:
            self._cost_usd = None
        else:
            self._cost_usd += cost_usd

    @property
    def usage(self) -> Usage:
        """Tokens: input from and to the cache, and reasoning, too."""
        cached = self._tokens.get("read")
        return Usage(self._sum("input", "read", "write"), self._sum("output", "reasoning"), cached)

    @property
    def cost_usd(self) -> float | None:
        """The price; unknown if there was no step."""
        return self._cost_usd if self.steps else None

    def _sum(self, *keys: str) -> int | None:
        told = [self._tokens[key] for key in keys if key in self._tokens]
        return sum(told) if told else None


def _price(step: Fields) -> float | None:
    """What a step cost: a model without a price has the cost 0, which is no price."""
    cost = step.number("cost")
    return cost if cost or not step.part("tokens").count("total") else None
