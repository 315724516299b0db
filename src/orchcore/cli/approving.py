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
from difflib import unified_diff
from pathlib import Path

from orchcore.cli.stopping import Screen
from orchcore.errors import shown_path
from orchcore.execution.ports import Answer, Question
from orchcore.reporting.sanitize import clean_line, clean_lines

_YES = frozenset({"y", "yes"})
_HELP = """\
  y  yes     n  no: what needs it is skipped, and the run exits with 1
  e  edit: change the value        r  revise: say what, and the agent does it again
  ^C stops the run; the question is then asked at   orchcore resume
"""
_SHOWN_LINES = 200
_POLL_S = 0.05
_ENDS_BORNE = 3


class TerminalApprover:
    """Asks one question at a time; the display is paused meanwhile.

    Example:
        >>> approver = TerminalApprover(os.ttyname(0), display)
        >>> await approver.ask(Question("Implement these 4 steps?", '{"steps": [...]}'))
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

    async def ask(self, question: Question) -> Answer | None:
        """The person's answer, however long it takes; cancelled, the terminal is as before.

        Nothing that was typed before the question counts. ``None`` if the terminal is gone.
        """
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        async with self._asking:
            try:
                terminal = os.open(self._terminal, flags)
            except OSError:
                return None
            async with self._quiet(terminal):
                await _write(terminal, _asked(question))
                return await _answered(terminal, question)

    @asynccontextmanager
    async def _quiet(self, terminal: int) -> AsyncGenerator[None]:
        """Nobody else writes meanwhile; *terminal* is closed afterwards."""
        try:
            await asyncio.to_thread(self._screen.pause)
            with suppress(termios.error):
                termios.tcflush(terminal, termios.TCIFLUSH)
            yield
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


async def _answered(terminal: int, question: Question) -> Answer:
    ends = 0
    prompt = "approve? [y/n/e/r/?] " if question.draft is not None else "approve? [y/n/r/?] "
    while ends < _ENDS_BORNE:
        await _write(terminal, prompt)
        line = await _line(terminal)
        word, _, rest = line.strip().partition(" ")
        match word.lower():
            case "y" | "yes" | "n" | "no":
                return Answer(word.lower() in _YES, user())
            case "r" | "revise":
                comment = rest.strip() or await _typed(terminal, "what is to be revised? ")
                if comment:
                    return Answer(approved=False, by=user(), comment=comment)
            case "e" | "edit" if question.draft is not None:
                edited = await _edited(terminal, question.value, question.draft)
                if edited is not None:
                    return Answer(approved=True, by=user(), edited=edited)
            case _:
                ends = 0 if line else ends + 1
                await _write(terminal, _HELP)
    # The terminal is gone or its end was typed again and again: nobody has said yes or no.
    never: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    return await never


async def _typed(terminal: int, prompt: str) -> str:
    await _write(terminal, prompt)
    return (await _line(terminal)).strip()


async def _edited(terminal: int, value: str, draft: Path) -> str | None:
    """What was made of a copy of *value* in an editor of the person's own; ``None`` for nothing."""
    try:
        await asyncio.to_thread(_put, draft, f"{value}\n")
        place = clean_line(shown_path(draft))
        await _typed(terminal, f"edit {place} in another terminal, then press Enter: ")
        return await asyncio.to_thread(draft.read_text, "utf-8")
    except (OSError, ValueError) as error:
        await _write(terminal, f"it cannot be edited: {clean_line(str(error))}\n")
        return None


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


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


def _asked(question: Question) -> str:
    """The question, and what it is about: of something revised, what has changed."""
    lines = clean_lines(question.value)
    if question.before:
        compared = unified_diff(clean_lines(question.before), lines, "before", "now", lineterm="")
        lines = list(compared) or ["(nothing has changed)"]
    shown = [f"  {line}" for line in lines[:_SHOWN_LINES]]
    if len(lines) > _SHOWN_LINES:
        shown.append(f"  ... and {len(lines) - _SHOWN_LINES} more lines")
    problem = [f"! {clean_line(question.problem)}"] if question.problem else []
    return "\n".join(["", f"? {clean_line(question.text)}", *shown, *problem, ""])


def user() -> str:
    """Who sits here, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"
