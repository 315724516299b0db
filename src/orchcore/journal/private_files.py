"""Small private files that others read while they are replaced."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def replace_file(path: Path, text: bytes, *, durable: bool = True) -> None:
    """Puts a file (0600) with *text* at *path*, as a whole: nobody ever reads a part of it.

    Args:
        path: Where; its folder exists. A link there is replaced, not followed.
        text: What it holds.
        durable: Whether it is on the disk itself when this returns.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    draft = path.with_name(f".{uuid4().hex}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
