"""What the bridge prints: one JSON object per line, each with a ``type``."""

import json
import os


class Stream:
    """Writes lines to a file descriptor, whole and at once.

    A full pipe blocks, and with it the reading of the agent's own output: nothing piles up here.

    Args:
        file: Where to; stdout by default.
    """

    def __init__(self, file: int = 1) -> None:
        self._file = file

    def put(self, kind: str, **fields: object) -> None:
        """Prints a line of type *kind*."""
        line = json.dumps({"type": kind, **fields}, separators=(",", ":"))
        rest = memoryview(line.encode() + b"\n")
        while rest:
            rest = rest[os.write(self._file, rest) :]
