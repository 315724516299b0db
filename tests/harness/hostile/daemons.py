"""The hostile children that a shell cannot play; a program: ``daemons.py KIND PID_FILE``.

All of them have left their parent and their session (a double fork).
"""

import ctypes
import os
import sys
import time
from pathlib import Path

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    kind, pid_file = sys.argv[1:]
    leave()
    KINDS[kind]()
    Path(pid_file).write_text(f"{os.getpid()}\n")
    time.sleep(600)


def leave() -> None:
    """Forks twice with a new session between: the caller goes on as an orphan."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def rename() -> None:
    """Overwrites name, arguments and environment in place, as setproctitle does."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    arguments, arguments_end, environment, environment_end = map(int, fields[45:49])
    ctypes.memset(arguments, 0, arguments_end - arguments)
    ctypes.memset(environment, 0, environment_end - environment)
    ctypes.memmove(arguments, b"[kworker/u8:3]", 14)
    Path("/proc/self/comm").write_text("kworker/u8:3")


def forbid_dumps() -> None:
    """Its ``/proc`` entries belong to root from now on: nobody else reads its environment."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def adopt() -> None:
    """Puts a child subreaper above itself: orphans below that do not fall any further."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.fork():
        time.sleep(600)
    leave()


KINDS = {"renamed": rename, "undumpable": forbid_dumps, "adopter": adopt}

main()
