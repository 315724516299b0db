"""Tries an adapter on a recorded stream, whole and damaged: what every parser must stand."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

from orchcore.agents.adapters.protocol import Adapter
from orchcore.agents.replaying import Recorded, parser_of, replay
from orchcore.events import FinalGiven
from orchcore.results import TurnResult

_NEW = b'{"from the future":{"type":"new","x":[1]}}'
_STRANGE: tuple[object, ...] = (
    None,
    True,
    -1.5,
    10**400,
    "",
    "\u2028",
    [],
    [None, [1]],
    {},
    {"a": {}},
)


def check_adapter(
    adapter: Adapter, stream: bytes, *, exit_code: int = 0, stderr: str = "", tries: int = 200
) -> TurnResult:
    """Reads *stream* with *adapter*'s parser as it is, and in many damaged forms.

    The damage: cut anywhere, lines of unknown types, bytes overwritten, fields of other types. The
    same in every call.

    Args:
        adapter: Whose parser is tried.
        stream: What the CLI printed on stdout.
        exit_code: Of its process.
        stderr: The last of its stderr.
        tries: How many of each kind.

    Returns:
        What the whole stream came to, for further assertions.

    Raises:
        AssertionError: The parser raised, a cut stream was a success, or an unknown line changed
            the outcome; says for which stream.

    Example:
        >>> result = check_adapter(MyAdapter(), Path("good.jsonl").read_bytes())
        >>> result.failure is None
        True
    """
    recorded = Recorded((stream,), exit_code, stderr)
    whole = _read(adapter, recorded, "as it is")
    dice = random.Random(0)  # noqa: S311  the same damage in every call
    lines = stream.split(b"\n")
    for cut in _cuts(adapter, recorded, lines, tries, dice):
        what = f"cut after {cut} bytes"
        result = _read(adapter, replace(recorded, chunks=(stream[:cut],)), what)
        if result.failure is None:
            raise AssertionError(f"a success although the stream was {what}")
    for _ in range(tries):
        place = dice.randrange(len(lines))
        what = f"with an unknown line before line {place + 1}"
        longer = b"\n".join((*lines[:place], _NEW, *lines[place:]))
        result = _read(adapter, replace(recorded, chunks=(longer,)), what)
        if (result.text, result.failure is None) != (whole.text, whole.failure is None):
            raise AssertionError(f"another outcome {what}: {result.failure or result.text!r}")
    for damaged, what in (*_overwritten(stream, tries, dice), *_retyped(lines, tries, dice)):
        _read(adapter, replace(recorded, chunks=(damaged,)), what)
    return whole


def _read(adapter: Adapter, recorded: Recorded, what: str) -> TurnResult:
    try:
        return replay(adapter, recorded)
    except Exception as error:
        raise AssertionError(f"{error!r} when the stream was read {what}") from error


def _cuts(
    adapter: Adapter, recorded: Recorded, lines: list[bytes], tries: int, dice: random.Random
) -> Iterator[int]:
    """Where to cut so that the final event is not whole."""
    parser = parser_of(adapter, recorded)
    end = final_end = 0
    for line in lines[:-1]:
        end += len(line) + 1
        if any(isinstance(event, FinalGiven) for event in parser.parse(line)):
            final_end = end
    for _ in range(min(tries, final_end)):
        yield dice.randrange(final_end - 1)


def _overwritten(stream: bytes, tries: int, dice: random.Random) -> Iterator[tuple[bytes, str]]:
    for _ in range(tries if stream else 0):
        place, byte = dice.randrange(len(stream)), dice.randrange(256)
        damaged = stream[:place] + bytes([byte]) + stream[place + 1 :]
        yield damaged, f"with byte {place} replaced by {byte:#x}"


def _retyped(lines: list[bytes], tries: int, dice: random.Random) -> Iterator[tuple[bytes, str]]:
    """A field of a line, however deep, has a value of another type."""
    for _ in range(tries):
        number = dice.randrange(len(lines))
        try:
            value = json.loads(lines[number])
        except ValueError:
            continue
        places = list(_places(value))
        if places:
            parent, key = dice.choice(places)
            parent[key] = dice.choice(_STRANGE)
            damaged = (*lines[:number], json.dumps(value).encode(), *lines[number + 1 :])
            yield b"\n".join(damaged), f"with {key!r} of line {number + 1} = {parent[key]!r}"


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every field of *value*, however deep: the object or list it is in, and its key."""
    items: Iterable[tuple[Any, object]] = ()
    if isinstance(value, dict):
        items = cast("dict[Any, object]", value).items()
    elif isinstance(value, list):
        items = enumerate(cast("list[object]", value))
    for key, inner in items:
        yield value, key
        yield from _places(inner)
