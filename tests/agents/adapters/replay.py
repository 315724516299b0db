"""Feeds recorded and made-up streams to a parser."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings

from orchcore.agents.adapters.claude import ClaudeAdapter
from orchcore.agents.adapters.protocol import Adapter, Ending
from orchcore.agents.invocation import Invocation
from orchcore.events import AgentEvent
from orchcore.results import TurnResult

ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: a loaded machine is no counter-example."""

GOLDEN = Path(__file__).parents[2] / "golden" / "claude-2.1.330"
NOW = 1795450000.0  # 2026-11-23 16:06:40 UTC, about when the streams were recorded
NEW_ID = str(UUID(int=7, version=4))


def invocation(prompt: str = "do it", **changes: Any) -> Invocation:
    """A request with everything that a test does not care about."""
    here = Path("/work")
    fields: dict[str, Any] = {
        "agent": "claude",
        "adapter": "claude",
        "prompt": prompt,
        "cwd": here,
        "folder": here / "turn",
        "session_folder": here / "sessions",
        "new_session_id": NEW_ID,
    }
    return Invocation(**{**fields, **changes})


def claude(*, root: bool = False) -> ClaudeAdapter:
    return ClaudeAdapter(clock=lambda: NOW, is_root=lambda: root)


@dataclass(frozen=True, slots=True)
class Replayed:
    events: tuple[AgentEvent, ...]
    result: TurnResult

    def of[T](self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


def replay(
    stream: bytes, *, adapter: Adapter | None = None, asked: Invocation | None = None, **end: Any
) -> Replayed:
    """What a parser makes of *stream*; a last line without its newline is cut."""
    parser = (adapter or claude()).parser(asked or invocation())
    *lines, rest = stream.split(b"\n")
    events = [event for line in lines for event in parser.parse(line)]
    fields: dict[str, Any] = {"exit_code": 0, "cut_line": rest, **end}
    ending = Ending(**fields)
    return Replayed(tuple(events), parser.finish(ending))


def recorded(name: str, **changes: Any) -> Replayed:
    """The recorded run *name*, with its own exit code and stderr."""
    meta = json.loads((GOLDEN / f"{name}.meta.json").read_text())
    return replay(
        stream_of(name),
        asked=invocation(**changes),
        exit_code=meta["exit_code"],
        stderr_tail=meta["stderr"],
    )


def stream_of(name: str) -> bytes:
    return (GOLDEN / f"{name}.jsonl").read_bytes()


def lines(*objects: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in objects)
