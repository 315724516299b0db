"""Runs one command as a child subreaper; a program, started by ``Subreaper`` only.

Usage: ``overseer.py TERMINAL IN OUT ERR COMMAND...`` where IN, OUT and ERR are numbers of
inherited files and TERMINAL is 1 if IN is a terminal that the command is to control.

Writes one JSON object per line to its standard output: ``{"pid": ...}`` at the start and
``{"ended": ...}`` (negative for a signal) when the command is gone. It reaps every orphan. At the
end of its standard input, which is also what it sees if the test dies, it kills all that is left.
"""

import ctypes
import json
import os
import select
import signal
import sys
from contextlib import suppress

import psutil

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("this system has no child subreapers")
    standard = [int(number) for number in sys.argv[2:5]]
    pid = start(sys.argv[5:], standard, has_terminal=sys.argv[1] == "1")
    for number in set(standard):
        os.close(number)
    say(pid=pid)
    while True:
        for child, status in reap().items():
            if child == pid:
                say(ended=os.waitstatus_to_exitcode(status))
        if select.select([0], [], [], 0.01)[0]:
            break
    while psutil.Process().children():
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        reap()


def start(command: list[str], standard: list[int], *, has_terminal: bool) -> int:
    """Forks the command, in a group of its own, or in a session of its own with a terminal."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for number, inherited in enumerate(standard):
            os.dup2(inherited, number)
        if has_terminal:
            os.login_tty(0)
        else:
            os.setpgid(0, 0)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.closerange(3, 256)
        os.execvp(command[0], command)
    finally:
        os._exit(127)


def reap() -> dict[int, int]:
    ended: dict[int, int] = {}
    try:
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended[child[0]] = child[1]
    except ChildProcessError:
        pass
    return ended


def say(**words: int) -> None:
    print(json.dumps(words), flush=True)


main()
