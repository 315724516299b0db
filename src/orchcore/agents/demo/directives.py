"""Lines of a prompt that make the demo agent behave badly, for testing pipelines."""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from orchcore.agents.demo.stream import Stream

_LINE = re.compile(r"^demo:[ \t]*([a-z-]+)(?:[ \t]+(.*?))?[ \t]*$", re.MULTILINE)


class Directive(NamedTuple):
    """One ``demo: WORD REST`` line."""

    word: str
    rest: str


class Stop(Exception):  # noqa: N818  not an error: the way out of a turn
    """The turn is over, with this exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def directives_of(prompt: str) -> tuple[Directive, ...]:
    """The directives in *prompt*, in order."""
    return tuple(Directive(found[1], found[2] or "") for found in _LINE.finditer(prompt))


def without_directives(prompt: str) -> str:
    """*prompt* as the answer should see it."""
    return _LINE.sub("", prompt)


def given_answer(directives: tuple[Directive, ...]) -> tuple[Any] | None:
    """The value of ``demo: answer JSON``, in a tuple since it may be null; else ``None``."""
    for directive in directives:
        if directive.word == "answer":
            try:
                return (json.loads(directive.rest),)
            except ValueError:
                return (directive.rest,)
    return None


def obey(directives: tuple[Directive, ...], stream: Stream) -> None:
    """Does what *directives* say before the answer.

    Raises:
        Stop: One of them ends the turn.
    """
    for directive in directives:
        if act := _ACTS.get(directive.word):
            act(directive.rest, stream)
        elif directive.word != "answer":
            known = ", ".join(sorted({*_ACTS, "answer"}))
            stream.failure("bad_invocation", f"no directive {directive.word!r}; known: {known}")
            raise Stop(1)


def _sleep(rest: str, stream: Stream) -> None:
    until = time.monotonic() + _seconds(rest)
    while (left := until - time.monotonic()) > 0:
        stream.thinking("")
        time.sleep(min(0.5, left))


def _silent(rest: str, stream: Stream) -> None:
    del stream
    time.sleep(_seconds(rest))


def _fail(rest: str, stream: Stream) -> None:
    kind, _, seconds = rest.partition(" ")
    when = {"retry_after_s": _seconds(seconds)} if seconds else {}
    stream.failure(kind or "server_error", "told to fail by the prompt", **when)
    raise Stop(1)


def _exit(rest: str, stream: Stream) -> None:
    del stream
    raise Stop(int(_seconds(rest)))


def _denied(rest: str, stream: Stream) -> None:
    stream.tool(rest or "write_file", "", "not allowed", denied=True)


def _spawn_tool(rest: str, stream: Stream) -> None:
    """A tool that is still running when the agent ends, in a session of its own."""
    import subprocess  # a third of the child's start, for a word that hardly anybody uses

    seconds = str(_seconds(rest))
    quiet = subprocess.DEVNULL
    subprocess.Popen(
        ["sleep", seconds], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    stream.tool("shell", f"sleep {seconds} &", "")


def _seconds(rest: str) -> float:
    try:
        return max(0.0, float(rest))
    except ValueError:
        return 0.0


_ACTS: Mapping[str, Callable[[str, Stream], None]] = {
    "sleep": _sleep,
    "silent": _silent,
    "fail": _fail,
    "exit": _exit,
    "denied": _denied,
    "spawn-tool": _spawn_tool,
}
