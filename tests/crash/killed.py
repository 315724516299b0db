"""``orchcore`` that kills itself with SIGKILL at one event of its journal.

``python killed.py NUMBER before|after WORDS...``: NUMBER counts from 1; ``before`` it is written or
``after`` it was. 0 never kills. How many there were is written to the file ``events``.
"""

import os
import signal
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from orchcore.cli.program import run_program
from orchcore.journal.database import JournalDatabase

NUMBER, WHEN = int(sys.argv[1]), sys.argv[2]
sys.argv[1:] = sys.argv[3:]
sys.argv[0] = "orchcore"
_append = JournalDatabase.append
_numbers = count(1)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def append(self: Any, events: Sequence[Any], **more: Any) -> None:
    """One group, cut where the event is in it."""
    number = 0
    for event in events:
        number = next(_numbers)
        if number == NUMBER and WHEN == "before":
            _note(event, "before")
            _die()
        _append(self, [event], **more)
        if number == NUMBER:
            _note(event, "after")
            _die()
    Path(os.environ["CRASH_FOLDER"], "events").write_text(str(number))


def _note(event: Any, when: str) -> None:
    with Path(os.environ["CRASH_FOLDER"], "kills").open("a") as file:
        file.write(f"{when} {event[0].kind}\n")


JournalDatabase.append = append  # type: ignore[method-assign]
run_program()
