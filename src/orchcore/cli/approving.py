"""Asks the person at the terminal.

The terminal is opened anew and not read through ``sys.stdin``: without blocking, so that no thread
hangs in a read when the run ends, and with flags of its own, so that nobody else who has the
terminal open notices.
"""

import asyncio
import getpass
import os
import sys
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from orchcore.cli.stopping import Screen
from orchcore.execution.ports import Answer
from orchcore.reporting.sanitize import clean_line, clean_lines

_YES = frozenset({"y", "yes"})
_NO = frozenset({"n", "no"})
_SHOWN_LINES = 200
_POLL_S = 0.05
_ENDS_BORNE = 3


class TerminalApprover:
    """Asks one question at a time; the display is paused meanwhile.

    Example:
        >>> approver = TerminalApprover(os.ttyname(0), display)
        >>> await approver.ask("Implement these 4 steps?", '{"steps": [...]}')
        Answer(approved=True, by='max')
    """

    def __init__(self, terminal: str, screen: Screen) -> None:
        """Opens nothing yet.

        Args:
            terminal: The terminal's path.
            screen: What writes on it while nobody is asked.
        """
        self._terminal = terminal
        self._screen = screen
        self._asking = asyncio.Lock()

    async def ask(self, question: str, value: str) -> Answer:
        """The person's answer, however long it takes; cancelled, the terminal is as before.

        Nothing that was typed before the question counts.
        """
        async with self._asking, self._quiet_terminal() as terminal:
            await _write(terminal, _asked(question, value))
            return Answer(await _approved(terminal), _user())

    @asynccontextmanager
    async def _quiet_terminal(self) -> AsyncGenerator[int]:
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        terminal = os.open(self._terminal, flags)
        try:
            await asyncio.to_thread(self._screen.pause)
            with suppress(termios.error):
                termios.tcflush(terminal, termios.TCIFLUSH)
            yield terminal
        except asyncio.CancelledError:
            with suppress(OSError):
                os.write(terminal, b"\n")
            raise
        finally:
            os.close(terminal)
            self._screen.resume()


def approver_at(screen: Screen) -> TerminalApprover | None:
    """Who can be asked: the person at stdin's terminal, or nobody."""
    try:
        if not sys.stdin.isatty():
            return None
        return TerminalApprover(os.ttyname(sys.stdin.fileno()), screen)
    except (OSError, ValueError):
        return None


async def _approved(terminal: int) -> bool:
    ends = 0
    while ends < _ENDS_BORNE:
        await _write(terminal, "approve? [y/n] ")
        line = await _line(terminal)
        answer = line.strip().lower()
        if answer in _YES | _NO:
            return answer in _YES
        ends = 0 if line else ends + 1
        await _write(terminal, "please answer yes or no (^C stops the run)\n")
    # The terminal is gone or its end was typed again and again: nobody has said yes or no.
    never: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    return await never


async def _line(terminal: int) -> str:
    """What was typed up to the line end; empty for an end of file, also if the terminal is gone."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(terminal, readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            with suppress(BlockingIOError):
                return os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        return ""
    finally:
        loop.remove_reader(terminal)


async def _write(terminal: int, text: str) -> None:
    left = text.encode(errors="replace")
    while left:
        try:
            left = left[os.write(terminal, left) :]
        except BlockingIOError:  # stopped with ^S, or slow
            await asyncio.sleep(_POLL_S)
        except OSError:
            return


def _asked(question: str, value: str) -> str:
    lines = clean_lines(value)
    shown = [f"  {line}" for line in lines[:_SHOWN_LINES]]
    if len(lines) > _SHOWN_LINES:
        shown.append(f"  ... and {len(lines) - _SHOWN_LINES} more lines")
    return "\n".join(["", f"? {clean_line(question)}", *shown, ""])


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"
