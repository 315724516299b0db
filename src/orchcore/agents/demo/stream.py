"""The lines that the demo agent prints, and their timing. Documented in demo-agent.md."""

import json
import sys
import time
from typing import Any

VERSION = "1.0"


class Stream:
    """Prints JSON lines to stdout with pauses between them.

    Args:
        pause_factor: Every pause is multiplied by it; 0 means none.
    """

    def __init__(self, pause_factor: float) -> None:
        self._pause_factor = pause_factor
        self._calls = 0

    def session(self, session_id: str, model: str, turn: int) -> None:
        """The first line."""
        self._print("session", session_id=session_id, model=model, version=VERSION, turn=turn)

    def thinking(self, text: str) -> None:
        """A thought."""
        self._print("thinking", text=text)

    def text(self, text: str) -> None:
        """The answer, some words at a time."""
        words = text.split(" ")
        for start in range(0, len(words), 6):
            piece = " ".join(words[start : start + 6])
            more = start + 6 < len(words)
            self._print("text", text=piece + " " * more, partial=True)
            self.pause(0.08)

    def tool(self, name: str, summary: str, output: str, *, denied: bool = False) -> None:
        """A tool call from start to end."""
        self._calls += 1
        call_id = f"call-{self._calls}"
        self._print("tool_start", id=call_id, name=name, input=summary)
        self.pause(0.15)
        self._print("tool_end", id=call_id, name=name, ok=not denied, denied=denied, output=output)

    def usage(self, usage: dict[str, int]) -> None:
        """Tokens so far."""
        self._print("usage", **usage, cost_usd=0.0)

    def result(self, text: str, answer: Any, usage: dict[str, int]) -> None:
        """The last line of a turn that succeeded."""
        self._print("result", ok=True, text=text, answer=answer, usage=usage, cost_usd=0.0)

    def failure(self, kind: str, detail: str, **when: float) -> None:
        """The last line of a turn that failed."""
        failure: dict[str, Any] = {"kind": kind, "detail": detail, **when}
        self._print("result", ok=False, failure=failure, cost_usd=0.0)

    def pause(self, seconds: float) -> None:
        """Waits *seconds* times the pause factor."""
        time.sleep(seconds * self._pause_factor)

    def _print(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"type": kind, **fields}, ensure_ascii=False)
        sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()
