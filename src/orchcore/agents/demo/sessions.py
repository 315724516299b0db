"""Conversations of the demo agent: one small JSON file each."""

import json
import os
import re
from typing import Any, NamedTuple

_ID = re.compile(r"[\w-]{1,120}")


class Session(NamedTuple):
    """A conversation so far.

    Attributes:
        id: Its id.
        turns: What was asked and answered, oldest first; an answer is empty while it is made.
    """

    id: str
    turns: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """All that was said, for choices to depend on."""
        return "\0".join(part for turn in self.turns for part in turn)

    def asked(self, prompt: str) -> "Session":
        """This conversation with one more question."""
        return Session(self.id, (*self.turns, (prompt, "")))

    def answered(self, text: str) -> "Session":
        """This conversation with its last question answered."""
        return Session(self.id, (*self.turns[:-1], (self.turns[-1][0], text)))


def load(folder: str, session_id: str) -> Session | None:
    """The conversation *session_id*, or ``None`` if there is none of that id."""
    if not _ID.fullmatch(session_id):
        return None
    try:
        with open(_path(folder, session_id), encoding="utf-8") as file:  # noqa: PTH123  fast start
            turns: list[Any] = json.load(file)["turns"]
        return Session(session_id, tuple((str(asked), str(said)) for asked, said in turns))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(folder: str, session: Session) -> None:
    """Writes *session* whole or not at all.

    Raises:
        OSError: The folder cannot be written.
        ValueError: The id could name a file elsewhere.
    """
    if not _ID.fullmatch(session.id):
        raise ValueError(f"{session.id!r} is not a session id")
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103  fast start
    path = _path(folder, session.id)
    partial = f"{path}.{os.getpid()}"
    with open(partial, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        json.dump({"turns": session.turns}, file)
    os.replace(partial, path)  # noqa: PTH105  fast start


def _path(folder: str, session_id: str) -> str:
    return f"{folder}/{session_id}.json"
