"""Writing for people, whatever has become of the streams."""

import io
import os
import sys
from collections.abc import Buffer, Iterable
from contextlib import suppress
from typing import TextIO, cast

from orchcore.errors import Problem
from orchcore.reporting.problem import draw
from orchcore.reporting.sanitize import clean_line
from orchcore.reporting.styled import wants_colour


def fill_closed_streams() -> None:
    """Opens the null device for each standard stream that we were started without.

    Else the next file that is opened would get its number, and what is printed would be written
    into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


class _Borne(io.FileIO):
    """A file that takes everything, also when it is full or nobody reads it any more."""

    def write(self, data: Buffer, /) -> int:
        """Writes what can be written and forgets the rest."""
        try:
            return cast("int", super().write(data))
        except OSError:
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """From now on nothing that is printed fails: a body's ``print`` must not end with its reader.

    That is a pipe to ``head``, a full disk, a terminal that was closed. To be called before
    anybody else has taken hold of ``sys.stdout`` or ``sys.stderr``.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError, ValueError, AttributeError):  # a test's capture has no descriptor
            stream.flush()
            raw = _Borne(stream.fileno(), "w", closefd=False)
            borne = io.TextIOWrapper(
                raw if stream.write_through else io.BufferedWriter(raw),  # python -u
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, borne)


def say(text: str, *, to: TextIO | None = None) -> None:
    """Writes *text*, made of safe lines, to *to* (stdout); a reader that left does not matter.

    Raises:
        OSError: stdout cannot be written; of stderr nobody could be told.
    """
    stream = to or sys.stdout
    try:
        stream.write(_encodable(text, stream))
        stream.flush()
    except OSError as error:
        forget(stream)
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
            raise


def say_lines(lines: Iterable[str]) -> None:
    """Writes *lines*, each made harmless for a terminal."""
    say("".join(f"{clean_line(line)}\n" for line in lines))


def say_problems(problems: Iterable[Problem]) -> None:
    """Draws *problems* on stderr."""
    found = tuple(problems)
    if found:
        colour = wants_colour(sys.stderr, os.environ)
        say(f"{draw(found, colour=colour)}\n", to=sys.stderr)


def forget(stream: TextIO) -> None:
    """Sends all that *stream* still holds, and gets, nowhere: its reader left."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def finish_streams() -> None:
    """Flushes both streams, so that the interpreter has nothing to complain of at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            forget(stream)
        except ValueError:
            pass


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
