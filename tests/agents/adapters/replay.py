"""Feeds recorded and made-up streams to a parser."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from orchcore.agents.adapters.claude import ClaudeAdapter
from orchcore.agents.adapters.protocol import Adapter, Ending
from orchcore.agents.invocation import Invocation
from orchcore.events import AgentEvent
from orchcore.results import TurnResult

GOLDENS = Path(__file__).parents[2] / "golden"
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
    """The recorded run *name* of Claude Code, with its own exit code and stderr."""
    return CLAUDE.recorded(name, **changes)


def stream_of(name: str) -> bytes:
    return CLAUDE.stream(name)


def lines(*objects: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in objects)


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recorded runs of one CLI, and properties that hold for every one of them.

    Attributes:
        folder: Below ``tests/golden``: ``copilot-1.0.102``.
        adapter: What reads them.
        read_back: By the ending of a file's name: the name under which a parser finds it.
    """

    folder: str
    adapter: Adapter
    read_back: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> list[str]:
        return sorted(path.stem for path in (GOLDENS / self.folder).glob("*.jsonl"))

    def stream(self, name: str) -> bytes:
        return self._file(f"{name}.jsonl").read_bytes()

    def asked(self, **changes: Any) -> Invocation:
        kind = self.adapter.name
        return invocation(**{"agent": kind, "adapter": kind, **changes})

    def replay(self, stream: bytes, *, asked: Invocation | None = None, **end: Any) -> Replayed:
        return replay(stream, adapter=self.adapter, asked=asked or self.asked(), **end)

    def recorded(self, name: str, **changes: Any) -> Replayed:
        """The recorded run *name*, with its own exit code, stderr and files."""
        return self.replay(self.stream(name), asked=self.asked(**changes), **self.end_of(name))

    def end_of(self, name: str) -> dict[str, Any]:
        meta = json.loads(self._file(f"{name}.meta.json").read_text())
        files = {
            found: path.read_bytes()
            for ending, found in self.read_back.items()
            if (path := self._file(f"{name}{ending}")).exists()
        }
        stderr_tail = meta["stderr"][-8192:]
        return {"exit_code": meta["exit_code"], "stderr_tail": stderr_tail, "files": files}

    def fail_when_cut(self, name: str, data: st.DataObject) -> None:
        """A recorded stream that stops anywhere before its last newline is no success."""
        stream = self.stream(name)
        cut = data.draw(st.integers(0, max(0, len(stream) - 2)))
        result = self.replay(stream[:cut]).result
        assert result.failure is not None
        assert result.text == ""

    def keep_their_answer(self, name: str, data: st.DataObject) -> None:
        """Two lines of unknown types anywhere leave the answer as it was."""
        split = self.stream(name).rstrip(b"\n").split(b"\n")
        for _ in range(2):
            split.insert(data.draw(st.integers(0, len(split))), b'{"type":"new","x":[1]}')
        result = self.replay(b"\n".join(split) + b"\n", **self.end_of(name)).result
        assert (result.failure, result.unknown_events) == (None, 2)
        assert result.text == self.recorded(name).result.text

    def survive_damage(self, name: str, data: st.DataObject) -> None:
        """Bytes overwritten anywhere raise nothing."""
        stream = bytearray(self.stream(name))
        for _ in range(data.draw(st.integers(1, 5))):
            if stream:
                stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
        assert self.replay(bytes(stream)).result is not None

    def _file(self, name: str) -> Path:
        return GOLDENS / self.folder / name


CLAUDE = Recordings("claude-2.1.330", claude())

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON: what a field of a strange line may hold."""
