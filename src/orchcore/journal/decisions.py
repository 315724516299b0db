"""Answers to gates that are given while nobody asks: a small file each, for the next start."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from orchcore.errors import Problem, RecordingError, shown_path


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer.

    Attributes:
        digest: Of the value that was seen: it is for that one alone.
        approved: Whether it lets the value, or the edited one, through.
        by: Who gave it.
        at: Unix time.
        edited: The value that goes on instead, as JSON.
        comment: What is to be revised.
    """

    digest: str
    approved: bool
    by: str
    at: float
    edited: str | None = None
    comment: str = ""


_DECISION = TypeAdapter(Decision)


def leave(decision: Decision, place: Path) -> None:
    """Writes *decision* to *place*, over an earlier one.

    Raises:
        RecordingError: It cannot be written.
    """
    draft = place.with_name(f".{uuid4().hex}")
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            file.write(_DECISION.dump_json(decision))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        message = f"{shown_path(place)} cannot be written: {error.strerror}"
        raise RecordingError(Problem("journal-unwritable", message)) from error


def left(place: Path) -> Decision | None:
    """The decision at *place*, if there is one."""
    try:
        return _DECISION.validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return None
