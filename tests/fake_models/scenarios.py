"""What the fake models answer, whatever the vendor: from what was asked to a reply.

A scenario is chosen by ``scenario=NAME`` in the conversation (the last one counts), else by the
model's name (``fake-NAME``), else it is ``text``:

* ``text``: says how many prompts it has seen.
* ``tool``: calls the CLI's shell tool with ``echo hi``, then says so.
* ``write``: calls the CLI's writing tool for ``out.txt`` in the working directory, then says so.
* ``big-tool``: calls the shell tool with a command that prints 1.5 MB.
* ``slow-tool``: calls the shell tool with a command that lasts 5 minutes in a session of its own.
* ``ask``: calls the shell tool for something that needs an approval.
* ``insist``: the same, again and again, whatever the tool says.
* ``thinking``: thinks, then answers.
* ``refusal``: stops in the vendor's way of refusing.
* ``empty``: answers without text.
* ``no-structure``: answers prose, schema or not. ``structured`` is ``text``: both answer a schema
  if the request has one.
* ``rate-limit`` (429, 2 s to wait), ``quota`` (429, used up), ``unauthorized`` (401),
  ``overloaded``, ``not-found`` (404), ``server-error`` (500): an error in the vendor's shape.
* ``stall``: sends the start of an answer and then nothing until the server is closed.
* ``cut``: sends the start of an answer and closes the connection.

A CLI's helper requests (titles, routing) have no scenario and get a sensible answer.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchcore.agents.demo.answer import answer_for

type Json = dict[str, Any]

AFTER_TOOL = "Done. The tool said what I expected."
BIG_COMMAND = "yes 'a line of output' | head -c 1500000"
PATCH = "*** Begin Patch\n*** Add File: out.txt\n+hi\n*** End Patch\n"

_SCENARIO = re.compile(r"scenario=([a-z-]+)")
_COMMANDS = {
    "tool": "echo hi",
    "big-tool": BIG_COMMAND,
    "slow-tool": "setsid --wait sleep 300",
    "ask": "touch ../asked.txt",
    "insist": "touch ../asked.txt",
}
_CAREFUL = frozenset({"ask", "insist"})
_SHELLS = {
    "Bash": "command",
    "bash": "command",
    "run_shell_command": "command",
    "exec_command": "cmd",
    "shell_command": "command",
    "shell": "command",
}
_WRITERS = {
    "Write": ("file_path", "content"),
    "write": ("filePath", "content"),
    "write_file": ("file_path", "content"),
    "create": ("path", "file_text"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, in no vendor's terms.

    Attributes:
        model: The model's name.
        said: The user's texts, oldest first.
        tools: Parameter schemas of the offered tools by name; empty for a freeform tool.
        shell: The shell tool to call where none is offered.
        writer: The writing tool to call where none is offered; ``None`` for the shell.
        schema: What the answer must fit.
        cwd: The working directory that the CLI told.
        after_tool: The last thing in the conversation is a tool's result.
        helper: The CLI asks for itself, not for its user.
        stream: The answer is to be streamed.
    """

    model: str
    said: tuple[str, ...]
    tools: Mapping[str, Json]
    shell: str
    writer: str | None
    schema: Json | None = None
    cwd: str = "."
    after_tool: bool = False
    helper: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; *asked* is a text for a freeform tool."""

    id: str
    name: str
    asked: Json | str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answers; *structured* is the instance of the schema that *text* spells."""

    text: str = ""
    thought: str = ""
    call: Call | None = None
    structured: Any = None
    refused: bool = False

    @property
    def pieces(self) -> list[str]:
        """The text as it is streamed."""
        return [self.text[start : start + 12] for start in range(0, len(self.text), 12)]


_SAYINGS = {
    "refusal": Reply("I cannot help with that.", refused=True),
    "no-structure": Reply("I will not give you JSON."),
    "empty": Reply(),
}


def scenario_of(asked: Asked) -> str:
    """The scenario that a request asks for."""
    if asked.helper:
        return "text"
    named = _SCENARIO.findall("\n".join(asked.said))
    if named:
        return str(named[-1])
    prefix, _, name = asked.model.partition("fake-")
    return name if name and not prefix and name != "model" else "text"


def reply_to(asked: Asked, scenario: str) -> Reply:
    """The answer of *scenario*."""
    if scenario in _SAYINGS:
        return _SAYINGS[scenario]
    if asked.after_tool and scenario != "insist":
        return Reply(AFTER_TOOL)
    if scenario in _COMMANDS:
        call = _shell_call(asked, _COMMANDS[scenario], careful=scenario in _CAREFUL)
        return Reply(call=call)
    if scenario == "write":
        return Reply(call=_write_call(asked))
    return _words(asked, "First I think." if scenario == "thinking" else "")


def schema_told(said: tuple[str, ...]) -> Json | None:
    """The schema that the last prompt spells, as orchcore tells CLIs without a flag for one."""
    _, told, rest = "\n".join(said[-1:]).partition("this JSON schema")
    start = rest.find("{")
    if not told or start < 0:
        return None
    if rest[start:].startswith('{\\"'):
        rest = rest.replace('\\"', '"')  # OpenCode 1.18 quotes a prompt that is an argument
    schema, _ = json.JSONDecoder().raw_decode(rest, start)
    return dict(schema)


def fresh(prefix: str) -> str:
    """An id that no other answer has."""
    return f"{prefix}_{time.monotonic_ns()}"


def _words(asked: Asked, thought: str) -> Reply:
    if asked.schema is not None:
        answer = answer_for(asked.schema, "\n".join(asked.said[-1:]))
        return Reply(json.dumps(answer), thought, structured=answer)
    if asked.helper:
        return Reply("A short title")
    prompts = sum("PROMPT" in text for text in asked.said)
    return Reply(f"Hello from the fake model. Prompts seen: {prompts}.", thought)


def _shell_call(asked: Asked, command: str, *, careful: bool = False) -> Call:
    name = next((name for name in asked.tools if name in _SHELLS), asked.shell)
    takes: Json = asked.tools.get(name, {}).get("properties", {})
    key = _SHELLS[name]
    is_list = takes.get(key, {}).get("type") == "array"
    told: Json = {key: ["bash", "-lc", command] if is_list else command}
    if "description" in takes:
        told["description"] = "A command of the fake model"
    if careful and "sandbox_permissions" in takes:
        told |= {"sandbox_permissions": "require_escalated", "justification": "May I?"}
    return Call(fresh("call"), name, told)


def _write_call(asked: Asked) -> Call:
    if "apply_patch" in asked.tools:
        return Call(fresh("call"), "apply_patch", PATCH)
    name = next((name for name in asked.tools if name in _WRITERS), asked.writer)
    if name is None:
        return _shell_call(asked, "echo hi > out.txt")
    path, content = _WRITERS[name]
    return Call(fresh("call"), name, {path: f"{asked.cwd}/out.txt", content: "hi\n"})
