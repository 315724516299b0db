"""The smallest orchestrator: takes a keeper, starts hostile children and records its signals.

Usage: ``stand_in.py FOLDER [--unguarded] [--children] [--obey] [--slow-stop]
    [--patience S] [--exit N | --die N]``

Writes to FOLDER: ``ready`` once all children are there (with what ``guard()`` returned),
``signals`` with one name per signal received, and ``children/KIND`` with each child's pid.
SIGTERM, SIGINT and SIGHUP end it with exit code 2 only with ``--obey``. With ``--slow-stop`` it
has something to do before ^Z stops it. ``--patience`` is for the keeper. With ``--exit`` or
``--die`` it ends by itself, with that code or of that signal, when it is ready.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import hostile
from orchcore.agents.keeper import guard

RECORDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
}
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unguarded", action="store_true")
    parser.add_argument("--children", action="store_true")
    parser.add_argument("--obey", action="store_true")
    parser.add_argument("--slow-stop", action="store_true")
    parser.add_argument("--patience", type=float, default=30.0)
    parser.add_argument("--exit", type=int)
    parser.add_argument("--die", type=int)
    wanted = parser.parse_args()
    guarded = not wanted.unguarded and guard(wanted.patience)
    if wanted.children:
        start_children(wanted.folder / "children")
    if wanted.slow_stop:
        signal.signal(signal.SIGTSTP, stop_slowly)
    if wanted.die is None:
        signal.pthread_sigmask(signal.SIG_BLOCK, RECORDED)
    (wanted.folder / "ready").write_text(str(guarded))
    print("ready", flush=True)
    if wanted.exit is not None:
        sys.exit(wanted.exit)
    if wanted.die is not None:
        os.kill(os.getpid(), wanted.die)
    record(wanted.folder / "signals", obey=wanted.obey)


def start_children(folder: Path) -> None:
    """Starts one child of every hostile kind and waits until each has got away."""
    folder.mkdir()
    for kind in hostile.KINDS:
        subprocess.Popen(
            hostile.command(kind, folder / kind),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    while not all(is_there(folder / kind) for kind in hostile.KINDS):
        time.sleep(0.01)


def is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def stop_slowly(number: int, frame: object) -> None:
    del number, frame
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGSTOP)


def record(file: Path, *, obey: bool) -> None:
    """Writes every signal down; blocked and waited for, so that two of a kind count as two."""
    while True:
        number = signal.Signals(signal.sigwaitinfo(RECORDED).si_signo)
        with file.open("a") as lines:
            lines.write(f"{number.name}\n")
        if obey and number in ENDING:
            sys.exit(2)


main()
