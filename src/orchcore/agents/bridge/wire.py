"""JSON-RPC messages over an agent's stdin and stdout, of any length, whatever the agent prints.

The library's own transport gives what is no message on to code that cannot take it (a list, an
error that is no object, an id that is one). Here each line is looked at first.
"""

import asyncio
import json
from collections import deque
from typing import Any, cast

from orchcore.agents.adapters.json_fields import one_line
from orchcore.agents.bridge.stream import Stream
from orchcore.agents.lines import LineSplitter

LINE_LIMIT_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**18


class Wire:
    """Implements the library's ``acp.Transport``.

    Args:
        reader: The agent's stdout.
        writer: The agent's stdin.
        stream: Is told of lines that are no messages.

    Attributes:
        overlong: Whether it ended because of a line that was too long.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream
    ) -> None:
        self.overlong = False
        self._reader = reader
        self._writer = writer
        self._stream = stream
        self._lines = LineSplitter(LINE_LIMIT_BYTES)
        self._read: deque[bytes] = deque()
        self._sending = asyncio.Lock()

    async def send(self, message: dict[str, Any]) -> None:
        """Writes *message*, and waits until the agent takes more."""
        async with self._sending:
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
            await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next message; ``None`` at the end."""
        while True:
            while self._read:
                line = self._read.popleft()
                message = message_of(line)
                if message is not None:
                    return message
                if line.strip():
                    start = one_line(line[:400].decode("utf-8", "replace"))
                    self._stream.put("malformed", bytes=len(line), start=start)
            chunk = await self._reader.read(_CHUNK_BYTES)
            if not chunk:
                return None
            self._read.extend(self._lines.feed(chunk))
            if self._lines.overlong_lines:
                self.overlong = True
                return None

    async def close(self) -> None:
        """Closes the agent's stdin."""
        self._writer.close()


def message_of(line: bytes) -> dict[str, Any] | None:
    """The JSON-RPC message on *line*, ``None`` if it is none.

    Example:
        >>> message_of(b'{"id": 1, "result": {}}')
        {'id': 1, 'result': {}}
        >>> message_of(b"Loading ...")
    """
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    message = cast("dict[str, Any]", value)
    if "method" in message:
        return message if isinstance(message["method"], str) else None
    if not isinstance(message.get("id"), int | str):
        return None
    error = message.get("error")
    if error is not None and not isinstance(error, dict):
        message["error"] = {"code": -32603, "message": str(error)}
    return message
