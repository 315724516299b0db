"""Claude Code (``claude``), tested with 2.1.330 and read to work down to 2.1.197."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

from orchcore.agents.adapters.claude_stream import ClaudeParser
from orchcore.agents.adapters.protocol import Capabilities, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError
from orchcore.policies import Permission

_READ = ("Read", "Grep", "Glob", "LS")
_WRITE = ("Edit", "Write", "MultiEdit", "NotebookEdit")
_KEY = "answer"
_HERMETIC = ("--setting-sources", "project,local", "--strict-mcp-config")

_LOGIN_ENV = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
    "ANTHROPIC_BEDROCK_BASE_URL",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_REGION",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_SKIP_VERTEX_AUTH",
    "ANTHROPIC_VERTEX_BASE_URL",
    "ANTHROPIC_VERTEX_PROJECT_ID",
    "CLOUD_ML_REGION",
)


def _is_root() -> bool:
    return os.geteuid() == 0


@dataclass(frozen=True, slots=True)
class ClaudeAdapter:
    """Starts ``claude -p`` and reads its stream.

    ``login_env`` has what is Claude's own. General keys of a cloud (``AWS_ACCESS_KEY_ID``,
    ``GOOGLE_APPLICATION_CREDENTIALS``) are not: with Bedrock or Vertex name them in ``pass_env``.

    Attributes:
        clock: Unix time, for messages like ``resets 5:56pm (UTC)``.
        is_root: Whether the child will run as root.
    """

    clock: Callable[[], float] = time.time
    is_root: Callable[[], bool] = _is_root

    @property
    def name(self) -> str:
        """``claude``."""
        return "claude"

    @property
    def capabilities(self) -> Capabilities:
        """All but usage while it works: a reply's line does not know its own output tokens."""
        return Capabilities(
            resume=True,
            resume_elsewhere=True,
            fork=True,
            schema=True,
            tools=True,
            chosen_session_id=True,
            max_turns=True,
            hermetic=True,
            money="usd",
        )

    @property
    def versions(self) -> Versions:
        """2.1.197 to 2.1.330."""
        return Versions("2.1.197", "2.1.330")

    @property
    def program(self) -> str:
        """``claude``."""
        return "claude"

    @property
    def login_env(self) -> tuple[str, ...]:
        """Variables of its login, endpoint and model names."""
        return _LOGIN_ENV

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn; the prompt goes to its stdin.

        ``permission="full"`` as root sets ``IS_SANDBOX=1``: without it 2.1.330 refuses
        ``bypassPermissions`` as root and prints no line at all.

        Raises:
            UsageError: *invocation* asks for writing tools under ``read-only``.
        """
        argv = (
            *(invocation.program or self.program, "-p"),
            *("--output-format", "stream-json", "--verbose"),
            *_session(invocation),
            *(("--model", invocation.model) if invocation.model else ()),
            *_permission(invocation),
            *_limits(invocation),
            *_schema(invocation.schema),
            *(_HERMETIC if invocation.hermetic else ()),
            *invocation.args,
        )
        env = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
        if invocation.permission == "full" and self.is_root():
            env["IS_SANDBOX"] = "1"
        return Launch(argv=argv, env=env, stdin=invocation.prompt.encode("utf-8", "replace"))

    def parser(self, invocation: Invocation) -> ClaudeParser:
        """A fresh parser for that process's stdout."""
        return ClaudeParser(
            resumed=invocation.resume is not None,
            unwrap=_unwrapper(invocation.schema),
            clock=self.clock,
        )


def _session(invocation: Invocation) -> tuple[str, ...]:
    if invocation.resume is None:
        return ("--session-id", invocation.new_session_id)
    if not invocation.fork:
        return ("--resume", invocation.resume)
    return (
        *("--resume", invocation.resume, "--fork-session"),
        *("--session-id", invocation.new_session_id),
    )


def _permission(invocation: Invocation) -> tuple[str, ...]:
    permission, asked = invocation.permission, invocation.tools
    if asked is not None:
        _check_tools(permission, asked)
        names = ",".join(dict.fromkeys(tool.partition("(")[0] for tool in asked))
        only = ("--tools", names, *(("--allowedTools", ",".join(asked)) if asked else ()))
    elif permission == "read-only":
        only = ("--tools", ",".join(_READ), "--allowedTools", ",".join(_READ))
    elif permission == "edit":
        only = ("--allowedTools", ",".join((*_READ, *_WRITE)))
    else:
        only = ()
    return (*_MODES[permission], *only)


_MODES: Mapping[Permission, tuple[str, ...]] = {
    "read-only": (),
    "edit": ("--permission-mode", "acceptEdits"),
    "full": ("--permission-mode", "bypassPermissions"),
}


def _check_tools(permission: Permission, asked: tuple[str, ...]) -> None:
    """Refuses what would make ``read-only`` untrue."""
    writing = [tool for tool in asked if _writes(tool)]
    if permission == "read-only" and writing:
        raise UsageError(
            Problem(
                "unsupported-option",
                f"tools {', '.join(writing)} can write, but the permission is 'read-only'",
                hints=('permission="edit"', f"leave out {', '.join(writing)}"),
            )
        )


def _writes(tool: str) -> bool:
    """Whether *tool* makes ``read-only`` untrue; ``Bash(git diff:*)`` is the user's word."""
    name, _, pattern = tool.partition("(")
    if any(fnmatchcase(writer, name) for writer in _WRITE):
        return True
    return fnmatchcase("Bash", name) and not pattern.strip("*?:) ")


def _limits(invocation: Invocation) -> tuple[str, ...]:
    turns = invocation.limits.max_turns
    return () if turns is None else ("--max-turns", str(turns))


def _schema(schema: Mapping[str, object] | None) -> tuple[str, ...]:
    if schema is None:
        return ()
    return ("--json-schema", json.dumps(schema if _is_object(schema) else _boxed(schema)))


def _is_object(schema: Mapping[str, object]) -> bool:
    return schema.get("type") == "object"


def _boxed(schema: Mapping[str, object]) -> dict[str, object]:
    """*schema* as the one field of an object: it becomes a tool's input, which must be one."""
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    box: dict[str, object] = {
        "type": "object",
        "properties": {_KEY: inner},
        "required": [_KEY],
        "additionalProperties": False,
    }
    return {**box, "$defs": schema["$defs"]} if "$defs" in schema else box


def _unwrapper(schema: Mapping[str, object] | None) -> Callable[[object], object] | None:
    if schema is None:
        return None
    return _itself if _is_object(schema) else _unboxed


def _itself(answer: object) -> object:
    return answer


def _unboxed(answer: object) -> object:
    return cast("dict[str, object]", answer).get(_KEY) if isinstance(answer, dict) else None
