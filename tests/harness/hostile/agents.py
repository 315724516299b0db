"""Agents that misbehave; a program: ``agents.py KIND [FOLDER]``.

Plain text is their answer, as for the ``text`` adapter, but for ``stays``, which prints as Claude
Code does. FOLDER is where ``tools`` has its tools write their pids.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness import hostile

MEGABYTE = 1_000_000
LONG_LINE_BYTES = 1_500_000
SLEEP = ("sleep", "600")


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def tools() -> None:
    """Starts a tool of every hostile kind, and ends well once all have got away."""
    folder = Path(sys.argv[2])
    files = [folder / kind for kind in hostile.KINDS]
    null = subprocess.DEVNULL
    for kind, file in zip(hostile.KINDS, files, strict=True):
        subprocess.Popen(hostile.command(kind, file), stdin=null, stdout=null, stderr=null)
    while not all(file.exists() and file.stat().st_size for file in files):
        time.sleep(0.01)
    say("all tools are away")


def deaf() -> None:
    """Ignores every polite signal and says no more."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    say("listening")
    time.sleep(600)


def wrapper() -> None:
    """Waits for a silent child in a session of its own, and forwards no signal."""
    child = subprocess.Popen(SLEEP, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, keep_for_itself)
    while child.poll() is None:
        time.sleep(1)


def keep_for_itself(number: int, frame: object) -> None:
    del number, frame


def stops() -> None:
    """Stops itself as ^Z would, and nobody wakes it up."""
    say("good night")
    os.kill(os.getpid(), signal.SIGSTOP)


def stays() -> None:
    """Gives its result, says something else, and does not exit."""
    say(json.dumps({"type": "system", "subtype": "init", "session_id": "s"}))
    result = {"type": "result", "subtype": "success", "is_error": False, "result": "the result"}
    say(json.dumps({**result, "session_id": "s", "usage": {}, "num_turns": 1}))
    say("by the way")
    time.sleep(600)


def closes_stdout() -> None:
    """Goes on for a while without one."""
    say("goodbye, stdout")
    os.close(1)
    time.sleep(1)
    os._exit(0)


def lends_stdout() -> None:
    """Leaves it open in a child that outlives it."""
    subprocess.Popen(SLEEP, start_new_session=True)
    say("exiting")


def leaves_stdin() -> None:
    """Closes it unread, whatever the prompt's size."""
    os.close(0)
    time.sleep(0.5)
    say("not interested")


def garbage() -> None:
    """Prints what is no text in any encoding, control characters included."""
    sys.stdout.buffer.write(bytes(range(256)) * 4000 + b"\n")


def long_lines() -> None:
    """Prints three lines of 1.5 MB."""
    for letter in "abc":
        say(letter * LONG_LINE_BYTES)


def forks() -> None:
    """Starts 200 children that are gone at once, some of them orphans."""
    for _ in range(100):
        subprocess.run(["/bin/sh", "-c", "sleep 0.05 & :"], check=True, stdout=subprocess.DEVNULL)
    say("two hundred")


def becomes_another() -> None:
    """Is replaced by another program, with another name and no environment."""
    command = "sleep 0.3; echo I am another"
    os.execve("/bin/sh", ["anything", "-c", command], {})


def floods_stderr() -> None:
    """Complains for a gigabyte."""
    for _ in range(1000):
        os.write(2, b"e" * (MEGABYTE - 1) + b"\n")
    say("done complaining")


def never_ends_a_line() -> None:
    """Prints 100 MB without a newline."""
    for _ in range(100):
        sys.stdout.buffer.write(b"x" * MEGABYTE)


KINDS: dict[str, Callable[[], None]] = {
    play.__name__: play
    for play in (
        tools, deaf, wrapper, stops, stays, closes_stdout, lends_stdout, leaves_stdin, garbage,
        long_lines, forks, becomes_another, floods_stderr, never_ends_a_line,
    )
}  # fmt: skip

if __name__ == "__main__":
    KINDS[sys.argv[1]]()
