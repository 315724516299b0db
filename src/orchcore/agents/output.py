"""Where a child's bytes go: buffers that are read, sinks that are written.

All bounded. Sinks are written from callbacks of the event loop, to the page cache; a sink that
fails (disk full) says so in ``error`` and never stops the child.
"""

import os
from asyncio import ReadTransport
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from struct import unpack
from termios import FIONREAD
from typing import Protocol

_HIGH_WATER_BYTES = 2**18
_READ_BYTES = 2**18
_READ_BACK_BYTES = 4 * 2**20


class Sink(Protocol):
    """Something that takes bytes and never raises."""

    def write(self, data: bytes) -> None:
        """Takes *data*."""
        ...


class FileSink:
    """A private file (0600) that takes the first *limit_bytes* bytes.

    Args:
        path: Replaced if it exists.
        limit_bytes: What comes later is dropped.

    Attributes:
        path: The file.
        error: Why nothing more is written; empty while all is well.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.error = ""
        self._left_bytes = limit_bytes
        self._file = private_file(path)

    def write(self, data: bytes) -> None:
        """Appends *data*."""
        view = memoryview(data)[: self._left_bytes]
        self._left_bytes -= len(view)
        while view and not self.error:
            try:
                view = view[os.write(self._file, view) :]
            except OSError as error:
                self.error = error.strerror or str(error)

    def close(self) -> None:
        """Closes the file; once."""
        os.close(self._file)
        self._left_bytes = 0


class Tail:
    """Keeps the last bytes and passes everything on.

    Args:
        limit_bytes: How many are kept.
        onward: Is given everything as well.

    Attributes:
        total_bytes: How many there were.
    """

    def __init__(self, limit_bytes: int, onward: Sink | None = None) -> None:
        self.total_bytes = 0
        self._limit_bytes = limit_bytes
        self._onward = onward
        self._kept = bytearray()

    def write(self, data: bytes) -> None:
        """Takes *data*."""
        self.total_bytes += len(data)
        self._kept += data[-self._limit_bytes :]
        del self._kept[: -self._limit_bytes]
        if self._onward is not None:
            self._onward.write(data)

    def since(self, total_bytes: int) -> bytes:
        """What came after the first *total_bytes* bytes, as far as it is kept."""
        fresh_bytes = self.total_bytes - total_bytes
        return bytes(self._kept[-fresh_bytes:]) if fresh_bytes else b""

    @property
    def text(self) -> str:
        """What is kept, as UTF-8 with replacement."""
        return self._kept.decode("utf-8", "replace")


class Capture:
    """Keeps the first bytes and tells whether there were more.

    Args:
        limit_bytes: How many are kept.

    Attributes:
        cut: Whether there were more.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self.cut = False

    def write(self, data: bytes) -> None:
        """Takes *data*."""
        room_bytes = self._limit_bytes - len(self._kept)
        self._kept += data[:room_bytes]
        self.cut = self.cut or len(data) > room_bytes

    @property
    def text(self) -> str:
        """What is kept, as UTF-8 with replacement; its last line says so if something was cut."""
        text = self._kept.decode("utf-8", "replace")
        return f"{text}\n[cut after {self._limit_bytes} bytes]\n" if self.cut else text


class PipeOutput:
    """A child's stdout that comes through a pipe.

    What was read and not taken is bounded: the pipe is left alone (and the child waits) while
    more than 256 KiB are held.

    Args:
        transcript: Is given every byte as it is read.
    """

    poll_s: float | None = None

    def __init__(self, transcript: Sink | None) -> None:
        self.open = True
        self._transcript = transcript
        self._chunks: deque[bytes] = deque()
        self._held_bytes = 0
        self._pipe: ReadTransport | None = None
        self._ignoring = False

    def connect(self, pipe: ReadTransport) -> None:
        """The process runs and *pipe* reads from it."""
        self._pipe = pipe

    def received(self, data: bytes) -> None:
        """*data* was read."""
        if self._ignoring:
            return
        if self._transcript is not None:
            self._transcript.write(data)
        self._chunks.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HIGH_WATER_BYTES and self._pipe is not None:
            self._pipe.pause_reading()

    def take(self) -> bytes:
        """What was read since the last time; empty if nothing was."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._held_bytes = 0
        if self._pipe is not None and self.open:
            self._pipe.resume_reading()
        return data

    @property
    def waiting(self) -> bool:
        """Whether there are bytes that were read and not taken."""
        return bool(self._chunks)

    @property
    def drained(self) -> bool:
        """Whether all that was printed so far was taken."""
        return not self.waiting and not (self.open and self._readable_bytes())

    def ignore(self) -> None:
        """From now on what comes is dropped, so that nobody needs to take it."""
        self._ignoring = True
        self.take()

    def close(self) -> None:
        """Nothing more comes; what was read can still be taken."""
        self.open = False

    def _readable_bytes(self) -> int:
        if self._pipe is None or self._pipe.is_closing():
            return 0
        (count,) = unpack("i", ioctl(self._pipe.get_extra_info("pipe"), FIONREAD, bytes(4)))
        return int(count)


class FileOutput:
    """A child's stdout that goes to a file, read behind its back.

    A file takes everything at once. So nothing is lost of what a CLI wrote, neither if it exits
    with output still queued (Gemini CLI 0.61.0, Qwen) nor if we are killed in that moment.

    Args:
        path: The transcript; replaced if it exists, 0600.

    Raises:
        OSError: The file cannot be made.
    """

    poll_s: float | None = 0.01

    def __init__(self, path: Path) -> None:
        self.open = True
        self.file = private_file(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset_bytes = 0

    def launched(self) -> None:
        """The child has the file; our own copy of it goes."""
        os.close(self.file)
        self.file = -1

    def take(self) -> bytes:
        """What was written since the last time, 256 KiB at most; empty if nothing was."""
        if self._reader < 0:
            return b""
        data = os.pread(self._reader, _READ_BYTES, self._offset_bytes)
        self._offset_bytes += len(data)
        if not data and not self.open:
            self.release()
        return data

    @property
    def waiting(self) -> bool:
        """Whether the file holds bytes that were not taken."""
        return self._reader >= 0 and os.fstat(self._reader).st_size > self._offset_bytes

    @property
    def drained(self) -> bool:
        """Whether all that was printed so far was taken."""
        return not self.waiting

    def ignore(self) -> None:
        """What comes is not needed any more."""

    def close(self) -> None:
        """The writers are gone; what they wrote can still be taken."""
        self.open = False

    def release(self) -> None:
        """Closes the files; nothing can be taken any more. May be called again."""
        for descriptor in (self.file, self._reader):
            if descriptor >= 0:
                os.close(descriptor)
        self.file = self._reader = -1


def found_files(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Each of *paths* that is a file, with its last 4 MiB."""
    for path in paths:
        with suppress(OSError), Path(path).open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - _READ_BACK_BYTES))
            yield path, file.read(_READ_BACK_BYTES)


def private_file(path: Path) -> int:
    """A descriptor that writes to a new file only its owner can read.

    Raises:
        OSError: It cannot be made, or is a symbolic link.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)
