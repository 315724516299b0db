r"""Bytes into lines, whatever the cut.

Lines end with ``\n`` and with nothing else: agent CLIs print raw U+2028 and U+0085 inside JSON
strings (Codex 0.169, Gemini 0.61, Copilot 1.0.102), where ``splitlines`` would tear an event apart.
Memory is bounded by the longest line allowed, time is linear in the bytes fed.
"""


class LineSplitter:
    r"""Collects chunks, gives whole lines without their newline.

    A line longer than the limit is dropped, wherever the chunks were cut, and counted in
    ``overlong_lines``.

    Args:
        limit_bytes: What one line may hold, its newline not counted.

    Attributes:
        overlong_lines: How many lines were dropped because they were too long; a line counts as
            soon as it is known to be, before its end is seen.

    Example:
        >>> lines = LineSplitter(limit_bytes=100)
        >>> lines.feed(b'{"a"')
        []
        >>> lines.feed(b": 1}\n{")
        [b'{"a": 1}']
        >>> lines.rest
        b'{'
    """

    __slots__ = ("_dropping", "_limit_bytes", "_pending", "_pending_bytes", "overlong_lines")

    def __init__(self, limit_bytes: int) -> None:
        self.overlong_lines = 0
        self._limit_bytes = limit_bytes
        # A list joined once per line: growing one bytes object would copy a long line per chunk.
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._dropping = False

    @property
    def rest(self) -> bytes:
        """What came after the last newline; empty if that is part of a dropped line."""
        return b"".join(self._pending)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that *chunk* completes, in order."""
        head, *others = chunk.split(b"\n")
        self._append(head)
        if not others:
            return []
        tail = others.pop()
        lines = [] if self._dropping else [self.rest]
        self._clear()
        if len(chunk) <= self._limit_bytes:
            lines += others
        else:
            fit = [line for line in others if len(line) <= self._limit_bytes]
            lines += fit
            self.overlong_lines += len(others) - len(fit)
        self._append(tail)
        return lines

    def _append(self, piece: bytes) -> None:
        if self._dropping or not piece:
            return
        self._pending_bytes += len(piece)
        if self._pending_bytes <= self._limit_bytes:
            self._pending.append(piece)
            return
        self._clear()
        self._dropping = True
        self.overlong_lines += 1

    def _clear(self) -> None:
        self._pending.clear()
        self._pending_bytes = 0
        self._dropping = False
