"""Events on their way to observers, with every secret in them masked."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import is_
from typing import Any, cast

from orchcore.events import (
    AgentSaid,
    Event,
    FinalGiven,
    TextWritten,
    ThinkingWritten,
    ToolStarted,
    TurnEnded,
)
from orchcore.reporting.masking import Mask

type _Said = type[TextWritten | ThinkingWritten]
type _Stream = tuple[str, str, _Said]

_OURS = frozenset({"cause", "kind", "role", "state", "step"})
"""Fields whose words are orchcore's own."""
_JSON = frozenset({"answer", "value"})
"""Fields whose text is JSON."""


def masked[E](event: E, mask: Mask) -> E:
    """*event*, or any part of one, masked; itself where nothing is to be hidden."""
    changes: dict[str, Any] = {}
    for name in _names(cast("Hashable", type(event))):
        before = getattr(event, name)
        after = mask.json(before) if name in _JSON and before is not None else _part(before, mask)
        if after is not before:
            changes[name] = after
    return replace(cast("Any", event), **changes) if changes else event


class MaskedPublisher:
    """Publishes events masked.

    A secret may be written in pieces: the end of a piece that may be the beginning of one is kept
    until the next piece, or the end of the message, shows what it is.
    """

    def __init__(self, mask: Mask, publish: Callable[[Event], None]) -> None:
        """Gives what is masked by *mask* to *publish*."""
        self._mask = mask
        self._publish = publish
        self._kept: dict[_Stream, AgentSaid] = {}

    def __call__(self, event: Event) -> None:
        """Publishes *event*."""
        match event:
            case AgentSaid(event=TextWritten(partial=True) | ThinkingWritten(partial=True)):
                self._publish(self._piece(event))
                return
            case AgentSaid(event=TextWritten() | ThinkingWritten() | ToolStarted() | FinalGiven()):
                self._end_pieces(event.node, event.turn)
            case TurnEnded():
                self._end_pieces(event.node, event.turn)
            case _:
                pass
        self._publish(masked(event, self._mask))

    def _piece(self, event: AgentSaid) -> AgentSaid:
        said = cast("TextWritten | ThinkingWritten", event.event)
        stream = event.node, event.turn, type(said)
        before = self._kept.pop(stream, None)
        text = said.text if before is None else _text_of(before) + said.text
        shown, rest = self._mask.piece(text)
        if rest:
            self._kept[stream] = replace(event, event=replace(said, text=rest))
        if shown != said.text:
            event = replace(event, event=replace(said, text=shown))
        return masked(event, self._mask)

    def _end_pieces(self, node: str, turn: str) -> None:
        for kind in (TextWritten, ThinkingWritten):
            if (kept := self._kept.pop((node, turn, kind), None)) is not None:
                self._publish(masked(kept, self._mask))


def _text_of(event: AgentSaid) -> str:
    return cast("TextWritten | ThinkingWritten", event.event).text


@cache
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(one.name for one in fields(cast("Any", kind)) if one.name not in _OURS)


def _part(value: object, mask: Mask) -> object:
    match value:
        case str():
            return mask(value)
        case tuple():
            return _parts(cast("tuple[object, ...]", value), mask)
        case Mapping():
            return _table(cast("Mapping[str, object]", value), mask)
        case _ if is_dataclass(value):
            return masked(value, mask)
        case _:
            return value


def _parts(before: tuple[object, ...], mask: Mask) -> tuple[object, ...]:
    after = tuple(_part(part, mask) for part in before)
    return before if all(map(is_, after, before)) else after


def _table(before: Mapping[str, object], mask: Mask) -> Mapping[str, object]:
    after = {mask(name): _part(item, mask) for name, item in before.items()}
    return before if after == before else after
