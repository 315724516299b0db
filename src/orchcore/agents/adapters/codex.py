"""Codex CLI (``codex exec``), tested with 0.169.0.

0.104.0 is read alike; it can neither fork nor be hermetic, and forgets ``-c`` where it resumes.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchcore.agents.adapters.codex_stream import CodexParser
from orchcore.agents.adapters.protocol import Capabilities, Launch, Versions
from orchcore.agents.adapters.strict_schema import in_words, strict
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError
from orchcore.policies import Permission

_SANDBOXES: Mapping[Permission, str] = {
    "read-only": "read-only",
    "edit": "workspace-write",
    "full": "danger-full-access",
}
_QUIET = ("-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false")
_HERMETIC = ("--ignore-user-config", "--ignore-rules")

_LOGIN_ENV = (
    "CODEX_HOME",
    "CODEX_SQLITE_HOME",
    "CODEX_API_KEY",
    "CODEX_ACCESS_TOKEN",
    "CODEX_CA_CERTIFICATE",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORGANIZATION",
    "OPENAI_PROJECT",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_REGION",
)


@dataclass(frozen=True, slots=True)
class CodexAdapter:
    """Starts ``codex exec --json`` and reads its stream.

    ``login_env`` has what is Codex's own. The ``env_key`` of a model provider from the user's
    ``config.toml`` is not: name it in ``pass_env``. ``OPENAI_BASE_URL`` is read by 0.104 and no
    more by 0.169, which has ``-c openai_base_url=...``.

    Attributes:
        clock: Unix time, for messages like ``try again at 5:48 PM``.
    """

    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """``codex``."""
        return "codex"

    @property
    def capabilities(self) -> Capabilities:
        """Neither a list of tools nor a limit of model turns; its session ids are its own."""
        return Capabilities(
            resume=True,
            resume_elsewhere=True,
            fork=True,
            schema=True,
            hermetic=True,
            money="tokens",
        )

    @property
    def versions(self) -> Versions:
        """0.104.0 to 0.169.0."""
        return Versions("0.104.0", "0.169.0")

    @property
    def program(self) -> str:
        """``codex``."""
        return "codex"

    @property
    def login_env(self) -> tuple[str, ...]:
        """Variables of its login, endpoint and home."""
        return _LOGIN_ENV

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn; the prompt goes to its stdin.

        ``codex exec`` never asks for an approval: what its sandbox does not allow is refused
        (0.169, whatever ``approval_policy`` the user has configured). ``edit`` may also run
        commands, which can write in the working directory and temporary folders only and have no
        network. All options stand before ``resume`` and ``fork``, which know fewer of them.

        ``hermetic`` shuts out ``config.toml`` and rules; ``AGENTS.md`` and skills in the user's
        ``CODEX_HOME`` are read all the same, since 0.169 has no switch for them.

        Raises:
            UsageError: *invocation* has a list of tools or a limit of model turns.
        """
        _check(invocation)
        schema = None if invocation.schema is None else strict(invocation.schema)
        schema_file = str(invocation.folder / "schema.json")
        argv = (
            *(invocation.program or self.program, "exec", "--json", "--skip-git-repo-check"),
            *("--sandbox", _SANDBOXES[invocation.permission]),
            *(("--model", invocation.model) if invocation.model else ()),
            *_QUIET,
            *(_HERMETIC if invocation.hermetic else ()),
            *(() if schema is None else ("--output-schema", schema_file)),
            *invocation.args,
            *_session(invocation),
            "-",
        )
        files = {} if schema is None else {schema_file: json.dumps(schema).encode()}
        return Launch(argv=argv, stdin=_prompt(invocation, schema), files=files)

    def parser(self, invocation: Invocation) -> CodexParser:
        """A fresh parser for that process's stdout."""
        return CodexParser(
            resumed=invocation.resume,
            forked=invocation.fork,
            spent_before=invocation.spent_before,
            schema=invocation.schema,
            clock=self.clock,
        )


def _session(invocation: Invocation) -> tuple[str, ...]:
    if invocation.resume is None:
        return ()
    return ("fork" if invocation.fork else "resume", invocation.resume)


def _prompt(invocation: Invocation, schema: Mapping[str, object] | None) -> bytes:
    """The prompt, with a schema that cannot be strict in words: Codex always asks for strict."""
    asked = invocation.schema
    words = "" if asked is None or schema is not None else in_words(asked)
    return (invocation.prompt + words).encode("utf-8", "replace")


def _check(invocation: Invocation) -> None:
    problems: list[Problem] = []
    if invocation.tools is not None:
        hint = 'leave out tools= and say what may be changed: permission="read-only"'
        problems.append(_unsupported("takes no list of tools", hint))
    if invocation.limits.max_turns is not None:
        hint = 'leave out max_turns= and limit the time: timeout="10m"'
        problems.append(_unsupported("takes no limit of model turns", hint))
    if problems:
        raise UsageError(*problems)


def _unsupported(what: str, hint: str) -> Problem:
    return Problem("unsupported-option", f"Codex CLI {what}", hints=(hint,))
