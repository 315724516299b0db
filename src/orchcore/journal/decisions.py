"""Answers to gates that are given while nobody asks: a small file each, for the next start."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchcore.errors import Problem, RecordingError, shown_path
from orchcore.journal.private_files import replace_file


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
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(place, _DECISION.dump_json(decision))
    except OSError as error:
        message = f"{shown_path(place)} cannot be written: {error.strerror}"
        raise RecordingError(Problem("journal-unwritable", message)) from error


def left(place: Path) -> Decision | None:
    """The decision at *place*, if there is one."""
    try:
        return _DECISION.validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return None
