"""Ends what a killed program left behind, where no keeper is above it: orchcore as a library.

A small process beside ours is told of every tree before it is launched. When the pipe that tells it
ends without a farewell, we were killed: whatever bears a tree's marker, or was seen to belong to
one, is killed, too. It is sure of less than a keeper: what drops every marker between two looks
and leaves its session escapes it. A copy of our process (``os.fork``) that keeps the pipe open
keeps it waiting.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import BinaryIO

from orchcore.agents.claims import Tree
from orchcore.agents.process_table import ProcessTable, TableReader, send

LOOK_S = 1.0
SOON_S, YOUNG_S = 0.05, 1.0
"""A tree is looked at more often while it is young: its marker is a moment younger still."""
END_S = 10.0
_FAREWELL = b"="


class Guard:
    """Our end of it; the process is started with the first tree.

    A guard that is gone is no trouble of a run: it is forgotten.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begins(self, tree: Tree) -> None:
        """*tree* is about to be launched."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orchcore.agents.guard", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                process_group=0,  # what is meant for our group misses it
            )
        self._tell(f"+{tree.marker}\n".encode())

    def ended(self, tree: Tree) -> None:
        """*tree* is over."""
        self._tell(f"-{tree.marker}\n".encode())

    def close(self) -> None:
        """Says farewell and waits for its end."""
        self._tell(_FAREWELL)
        if self._process is not None:
            with suppress(OSError):
                self._process.communicate()

    def _tell(self, words: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                os.write(self._process.stdin.fileno(), words)


def watch(told: BinaryIO, us: int) -> None:
    """The guard's life: until the pipe *told* ends; *us* is the pid it guards."""
    trees: dict[str, Tree] = {}
    reader = TableReader()
    rest = b""
    young_until_s = 0.0
    while True:
        look_s = SOON_S if time.monotonic() < young_until_s else LOOK_S
        if not select.select([told], [], [], look_s)[0]:
            _see(trees, reader, us)
            continue
        young_until_s = time.monotonic() + YOUNG_S
        read = os.read(told.fileno(), 2**16)
        *words, rest = (rest + read).split(b"\n")
        for word in words:
            _note(trees, word.decode())
        if rest == _FAREWELL:
            return
        if not read:
            break
    _end(trees, reader, us)


def _note(trees: dict[str, Tree], word: str) -> None:
    sign, marker = word[:1], word[1:]
    if sign == "+":
        trees[marker] = Tree(marker)
    else:
        trees.pop(marker, None)


def _see(trees: dict[str, Tree], reader: TableReader, us: int) -> ProcessTable:
    table = reader.read()
    for tree in trees.values():
        tree.see(table, us)
    return table


def _end(trees: dict[str, Tree], reader: TableReader, us: int) -> None:
    until_s, quiet = time.monotonic() + END_S, 0
    while quiet < 3 and time.monotonic() < until_s:  # what was forking is seen at the next look
        _see(trees, reader, us)
        members = [member for tree in trees.values() for member in tree.members]
        for member in members:
            with suppress(OSError):
                send(member, signal.SIGKILL)
        quiet = 0 if members else quiet + 1
        time.sleep(0.05)


def main() -> None:
    """Watches over the process whose pid is the argument, as told on stdin."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin.buffer, int(sys.argv[1]))


if __name__ == "__main__":
    main()
