"""A process that records a run, to be killed, starved of disk or looked at from outside.

Usage: ``writer_program.py ROOT endless|starved|starved-for-good``. Each acknowledged event is a
line on stdout.
"""

import asyncio
import resource
import sys
from itertools import count
from pathlib import Path

from orchcore.errors import RecordingError
from orchcore.events import AttemptStarted, RunEnded, Warned
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.origin import Origin
from orchcore.journal.recorder import JournalRecorder

ROOT = Path(sys.argv[1])
BALLAST = ROOT / "ballast"
"""Where it is, the file system itself is small, and deleting it makes space."""


def say(*words: object) -> None:
    print(*words, flush=True)


async def endless(recorder: JournalRecorder) -> None:
    for number in count(1):
        recorder.note(AttemptStarted(at=1.0, node="a", attempt=number))
        await recorder.commit(Warned(at=1.0, text=str(number)))
        say(number)


async def fill(recorder: JournalRecorder) -> int:
    """Commits until the disk is full; the number of the event that failed."""
    for number in count(1):
        try:
            await recorder.commit(Warned(at=1.0, text=f"{number} " + "x" * 8000))
        except RecordingError as error:
            say("refused", error.code, number)
            return number
        say(number)
    raise AssertionError


async def starved(recorder: JournalRecorder, *, for_good: bool) -> None:
    no_limit = resource.RLIM_INFINITY
    if not BALLAST.is_file():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, no_limit))
    failed = await fill(recorder)
    if not for_good:
        resource.setrlimit(resource.RLIMIT_FSIZE, (no_limit, no_limit))
        BALLAST.unlink(missing_ok=True)
        end = RunEnded(at=2.0, run="x", exit_code=1, duration_s=1.0, states={})
        await recorder.commit(end)
        say("recovered", failed)


async def main() -> None:
    mode = sys.argv[2]
    folder = ProjectFolder.at(ROOT).new_run()
    recorder = JournalRecorder.open(folder, Origin.here("orchfile.py"), patience_s=0.2)
    say(folder.id)
    try:
        if mode == "endless":
            await endless(recorder)
        else:
            await starved(recorder, for_good=mode == "starved-for-good")
    finally:
        try:
            await recorder.close()
        except RecordingError as error:
            say("closed", error.code)
        else:
            say("closed")


asyncio.run(main())
