"""The demo agent's one turn: read the prompt, look around, answer, remember."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from orchcore.agents.demo import sessions
from orchcore.agents.demo.answer import answer_for
from orchcore.agents.demo.directives import (
    Stop,
    directives_of,
    given_answer,
    obey,
    without_directives,
)
from orchcore.agents.demo.draw import Draw
from orchcore.agents.demo.looking import files_here, look_around
from orchcore.agents.demo.prose import Prose, prose_of
from orchcore.agents.demo.stream import Stream

_OPTIONS = (
    *("--session", "--resume", "--fork", "--sessions", "--schema"),
    *("--model", "--permission", "--tools", "--max-turns"),
)


class _Task(NamedTuple):
    """What one turn is about."""

    prompt: str
    session: sessions.Session
    schema: Mapping[str, Any] | None
    files: list[str]
    options: Mapping[str, str]

    @property
    def history(self) -> str:
        return sessions.Session("", self.session.turns[:-1]).text

    @property
    def tools(self) -> list[str] | None:
        asked = self.options.get("--tools")
        return None if asked is None else asked.split(",")


def main(args: Sequence[str]) -> int:
    """Runs one turn.

    Args:
        args: Options, each followed by its value.

    Returns:
        The exit code: 0 for an answer, 1 for a failure told by the last line, 2 for bad options;
        whatever ``demo: exit N`` says.
    """
    options = dict(zip(args[::2], args[1::2], strict=False))
    unknown = [name for name in options if name not in _OPTIONS]
    if len(args) % 2 or unknown or "--sessions" not in options:
        sys.stderr.write(f"error: bad options {' '.join(unknown or args)}\n")
        return 2
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        _turn(options, prompt, Stream(_pause_factor(os.environ)))
    except Stop as stop:
        return stop.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _turn(options: Mapping[str, str], prompt: str, stream: Stream) -> None:
    session = _opened(options, stream).asked(prompt)
    folder = options["--sessions"]
    sessions.save(folder, session)  # an interrupted turn can be resumed
    stream.session(session.id, options.get("--model", "demo"), len(session.turns))
    task = _Task(without_directives(prompt), session, _schema(options), files_here(), options)
    directives = directives_of(prompt)
    prose = prose_of(task.prompt, Draw(f"{prompt}\0{task.history}"), task.files)
    _work(task, prose, stream)
    obey(directives, stream)
    given = given_answer(directives)
    answer = given[0] if given else _answer(task)
    text = _text(task, prose, answer)
    stream.text(text if task.schema is None else f"[simulated] {prose.sentence('closing')}")
    sessions.save(folder, session.answered(text))
    stream.result(text, answer if task.schema is not None else None, _usage(task, text))


def _opened(options: Mapping[str, str], stream: Stream) -> sessions.Session:
    new_id = options.get("--session", "demo")
    asked = options.get("--resume", options.get("--fork"))
    if asked is None:
        return sessions.Session(new_id)
    found = sessions.load(options["--sessions"], asked)
    if found is None:
        stream.failure("session_not_found", f"no demo session {asked}")
        raise Stop(1)
    return sessions.Session(new_id, found.turns) if "--fork" in options else found


def _work(task: _Task, prose: Prose, stream: Stream) -> None:
    stream.pause(0.15)
    stream.thinking(prose.sentence("thought"))
    stream.pause(0.25)
    limit = task.options.get("--max-turns", "")
    # Each tool call takes a model turn, and so does the answer.
    calls = int(limit) - 1 if limit.isdigit() else 2
    look_around(stream, task.files, prose.paths, task.tools, calls)
    stream.usage(_usage(task, ""))
    stream.pause(0.25)


def _answer(task: _Task) -> Any:
    if task.schema is None:
        return None
    return answer_for(
        task.schema,
        task.prompt,
        turn=len(task.session.turns),
        history=task.history,
        files=task.files,
    )


def _text(task: _Task, prose: Prose, answer: Any) -> str:
    if task.schema is not None:
        return json.dumps(answer, ensure_ascii=False)
    if answer is not None:
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return f"[simulated] {prose.sentences('answer', 3)}"


def _schema(options: Mapping[str, str]) -> Mapping[str, Any] | None:
    if "--schema" not in options:
        return None
    with open(options["--schema"], "rb") as file:  # noqa: PTH123  fast start
        return cast("dict[str, Any]", json.load(file))


def _usage(task: _Task, text: str) -> dict[str, int]:
    """Tokens at four characters each: an estimate, as the price of 0 is."""
    before = len(task.history) // 4
    return {
        "input_tokens": before + len(task.prompt) // 4 + 1,
        "output_tokens": len(text) // 4 + 12,
        "cached_input_tokens": before,
    }


def _pause_factor(environment: Mapping[str, str]) -> float:
    try:
        return min(100.0, max(0.0, float(environment.get("ORCHCORE_DEMO_SPEED", "1"))))
    except ValueError:
        return 1.0
