"""The signs in front of rows, for terminals with and without Unicode."""

from dataclasses import dataclass

from orchcore.reporting.styled import Style
from orchcore.results import NodeState

STATE_STYLE: dict[NodeState, Style] = {
    "waiting": "dim",
    "running": "cyan",
    "passed": "green",
    "reused": "green",
    "failed": "bold red",
    "blocked": "red",
    "skipped": "dim",
    "partial": "yellow",
    "cancelled": "yellow",
    "paused": "yellow",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One character for each thing that is shown.

    Attributes:
        states: By state of a node; ``running`` is for lines that do not move.
        spinner: What a moving row turns through.
    """

    states: dict[NodeState, str]
    spinner: str
    arrow: str
    retry: str
    asks: str
    limited: str
    rule: str
    dot: str
    bar: str
    ellipsis: str


_UNICODE = Glyphs(
    states={
        "waiting": "○",
        "running": "▸",
        "passed": "✔",
        "reused": "↺",
        "failed": "✘",
        "blocked": "⊗",
        "skipped": "⊘",
        "partial": "◐",
        "cancelled": "⊖",
        "paused": "⏸",
    },
    spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
    arrow="▸",
    retry="↻",
    asks="?",
    limited="⏸",
    rule="─",
    dot="·",
    bar="│",
    ellipsis="…",
)
_ASCII = Glyphs(
    states={
        "waiting": "o",
        "running": ">",
        "passed": "+",
        "reused": "=",
        "failed": "x",
        "blocked": "!",
        "skipped": "-",
        "partial": "%",
        "cancelled": "/",
        "paused": "#",
    },
    spinner="|/-\\",
    arrow=">",
    retry="~",
    asks="?",
    limited="#",
    rule="-",
    dot="|",
    bar="|",
    ellipsis="...",
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """Signs that *encoding* can write; ``None`` counts as UTF-8."""
    try:
        "✔↺✘⊘⊗⊖◐⏸⠋▸↻─·│…○".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _UNICODE
