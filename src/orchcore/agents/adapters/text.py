"""Any CLI that prints its answer as plain text, started by an argument template."""

import codecs
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchcore.agents.adapters.json_fields import one_line
from orchcore.agents.adapters.protocol import Capabilities, Ending, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError, did_you_mean
from orchcore.events import AgentEvent, TextWritten
from orchcore.results import Failure, TurnResult

KNOWN = ("cwd", "model", "prompt", "session")
_PLACEHOLDER = re.compile(r"\{\{(?P<literal>\w+)\}\}|\{(?P<name>\w+)\}")


@dataclass(frozen=True, slots=True)
class TextAdapter:
    """Starts ``invocation.argv`` with its placeholders filled in.

    ``{prompt}``, ``{model}``, ``{cwd}`` and ``{session}`` (the id of the conversation that goes
    on) may stand anywhere in an argument, several times too. ``{{word}}`` is a literal
    ``{word}``; every other brace is a brace (``{"a": 1}``, ``{}``). Rules, in this order:

    1. Where no ``{prompt}`` occurs, the prompt goes to stdin; else stdin is empty.
    2. An argument with a placeholder that has no value (no model, a new conversation) is left
       out. If the argument before it is an option of its own (starts with ``-``, has no ``=`` and
       no placeholder), that is left out too: ``--model {model}`` vanishes as a whole.
    3. ``invocation.args`` stand before the argument with ``{prompt}`` (and before its option),
       else at the end.
    """

    @property
    def name(self) -> str:
        """``text``."""
        return "text"

    @property
    def capabilities(self) -> Capabilities:
        """None: what the template can do, only its author knows."""
        return Capabilities(tool_calls=False, enforced=False)

    @property
    def versions(self) -> Versions:
        """Nothing is known of any."""
        return Versions()

    @property
    def program(self) -> str:
        """Nothing: the template names it."""
        return ""

    @property
    def login_env(self) -> tuple[str, ...]:
        """Nothing: configuration's ``pass_env`` names what the program needs."""
        return ()

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn.

        Raises:
            UsageError: The template is empty (``missing-argv``), has an unknown placeholder
                (``unknown-placeholder``), or a conversation should go on that the template has no
                ``{session}`` for (``unsupported-option``).
        """
        template = invocation.argv
        _check(template, invocation)
        values = _values(invocation)
        split = _prompt_at(template)
        argv = (
            *_filled(template[:split], values),
            *invocation.args,
            *_filled(template[split:], values),
        )
        by_argument = split < len(template)
        stdin = b"" if by_argument else invocation.prompt.encode("utf-8", "replace")
        return Launch(argv=(invocation.program or argv[0], *argv[1:]), stdin=stdin)

    def parser(self, invocation: Invocation) -> "TextParser":
        """A fresh parser for that process's stdout."""
        return TextParser(session_id=invocation.resume)


@dataclass(slots=True)
class TextParser:
    """One turn of a plain-text CLI: all it prints is the answer.

    Attributes:
        session_id: The id that was asked for; such a CLI tells none.
    """

    session_id: str | None = None
    _lines: list[str] = field(default_factory=list[str])
    _counts: Counter[str] = field(default_factory=Counter[str])

    def parse(self, line: bytes) -> Sequence[AgentEvent]:
        """The line as a piece of text. Never raises."""
        text = _decoded(line)
        self._lines.append(text)
        self._counts["text"] += 1
        return (TextWritten(text + "\n", partial=True),)

    def finish(self, ending: Ending) -> TurnResult:
        """Success is exit 0 and a non-empty output, whether its last line ended or not."""
        last = [_decoded(ending.cut_line)] if ending.cut_line else []
        text = "\n".join([*self._lines, *last]).strip()
        failure = _failure(ending, text)
        return TurnResult(
            text=text,
            session_id=self.session_id,
            failure=failure,
            events=dict(self._counts),
            exit_code=ending.exit_code,
        )


def _failure(ending: Ending, text: str) -> Failure | None:
    if ending.ended_by_us:
        return Failure("cancelled", "was ended before it was done")
    if ending.exit_code is None or ending.exit_code != 0:
        lines = ending.stderr_tail.strip().splitlines()
        because = f": {one_line(lines[-1])}" if lines else ""
        return Failure("crashed", f"{_exit(ending.exit_code)}{because}")
    return None if text else Failure("empty_output", "printed nothing")


def _exit(code: int | None) -> str:
    if code is None:
        return "ended with an unknown exit code"
    return f"was ended by signal {-code}" if code < 0 else f"exited with {code}"


def _decoded(line: bytes) -> str:
    return codecs.decode(line, "utf-8", "replace").removesuffix("\r")


def _values(invocation: Invocation) -> Mapping[str, str | None]:
    return {
        "cwd": str(invocation.cwd),
        "model": invocation.model,
        "prompt": invocation.prompt,
        "session": invocation.resume,
    }


def _prompt_at(template: Sequence[str]) -> int:
    """Where the prompt's argument (or its option) is; the end, where there is none."""
    for index, part in enumerate(template):
        if "prompt" in _names(part):
            return index - 1 if index > 1 and _is_option(template[index - 1]) else max(index, 1)
    return len(template)


def _filled(template: Sequence[str], values: Mapping[str, str | None]) -> list[str]:
    filled: list[str] = []
    for index, part in enumerate(template):
        if any(values[name] is None for name in _names(part)):
            if index and _is_option(template[index - 1]):
                filled.pop()
            continue
        filled.append(_PLACEHOLDER.sub(lambda found: _value(found, values), part))
    return filled


def _value(found: re.Match[str], values: Mapping[str, str | None]) -> str:
    if found["literal"]:
        return f"{{{found['literal']}}}"
    return values[found["name"]] or ""


def _names(part: str) -> list[str]:
    return [found["name"] for found in _PLACEHOLDER.finditer(part) if found["name"]]


def _is_option(part: str) -> bool:
    return part.startswith("-") and "=" not in part and not _names(part)


def _check(template: Sequence[str], invocation: Invocation) -> None:
    if not template:
        raise UsageError(
            Problem(
                "missing-argv",
                f"agent {invocation.agent!r} has the adapter 'text' but no argv",
                hints=('argv = ["mytool", "--model", "{model}", "{prompt}"]',),
            )
        )
    asked = {name for part in template for name in _names(part)}
    unknown = sorted(asked - set(KNOWN))
    if unknown:
        raise UsageError(*(_unknown(invocation.agent, name) for name in unknown))
    if invocation.resume is not None and "session" not in asked:
        raise UsageError(
            Problem(
                "unsupported-option",
                f"agent {invocation.agent!r} cannot continue a conversation",
                hints=("add {session} to its argv, if the program can",),
            )
        )


def _unknown(agent: str, name: str) -> Problem:
    known = ", ".join(f"{{{known}}}" for known in KNOWN)
    return Problem(
        "unknown-placeholder",
        f"argv of agent {agent!r} has an unknown placeholder {{{name}}}",
        hints=(*did_you_mean(name, KNOWN), f"known placeholders: {known}"),
    )
