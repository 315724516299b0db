"""OpenCode (``opencode``), tested with 1.18.33."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import cast

from orchcore.agents.adapters.opencode_stream import OpenCodeParser
from orchcore.agents.adapters.protocol import Capabilities, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError

_LOGIN_ENV = (
    "OPENCODE_API_KEY",
    "OPENCODE_AUTH_CONTENT",
    "OPENCODE_CONFIG",
    "OPENCODE_CONFIG_CONTENT",
    "OPENCODE_CONFIG_DIR",
    "OPENCODE_DB",
    "OPENCODE_MODELS_PATH",
    "OPENCODE_MODELS_URL",
)
_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_SHARE": "1",
}
_USERS_CONFIG = ("OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_CONFIG_CONTENT")

type Rule = str | Mapping[str, str]

# Tools that only look; ``invalid`` tells the model what is wrong with a call.
_READ: Mapping[str, Rule] = {
    "read": {"*": "allow", "*.env": "deny", "*.env.*": "deny", "*.env.example": "allow"},
    "grep": "allow",
    "glob": "allow",
    "list": "allow",
    "todowrite": "allow",
    "invalid": "allow",
}
_WRITERS = {"write": "edit", "patch": "edit", "apply_patch": "edit", "multiedit": "edit"}
# In a forked session they are offered even without a terminal, and wait for ever.
_NEVER: Mapping[str, Rule] = {"question": "deny", "plan_enter": "deny", "plan_exit": "deny"}


@dataclass(frozen=True, slots=True)
class OpenCodeAdapter:
    """Starts ``opencode run`` and reads its stream.

    ``model`` is OpenCode's ``provider/model``. The stream never names it, so that what is told of
    models is what was asked for.

    ``login_env`` has what is OpenCode's own. It works with any provider's key, and which one only
    its user knows: name that in ``pass_env`` (``ANTHROPIC_API_KEY``), or log in with ``opencode
    auth login``, whose result under ``XDG_DATA_HOME`` is always used.

    Attributes:
        clock: Unix time, for times in limit messages.
    """

    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """``opencode``."""
        return "opencode"

    @property
    def capabilities(self) -> Capabilities:
        """Its schema goes into the prompt, its ids are its own; it resumes in the same place only.

        Its agents' ``steps`` are no limit of model turns: they make it answer early, as if well.
        """
        return Capabilities(
            resume=True,
            fork=True,
            tools=True,
            hermetic=True,
            usage_streams=True,
            money="usd",
        )

    @property
    def versions(self) -> Versions:
        """1.18.33."""
        return Versions("1.18.33", "1.18.33")

    @property
    def program(self) -> str:
        """``opencode``."""
        return "opencode"

    @property
    def login_env(self) -> tuple[str, ...]:
        """Variables of its own login, configuration and list of models."""
        return _LOGIN_ENV

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn; the prompt goes to its stdin.

        A title spares a model request per session that would ask for one. Errors are logged to
        stderr: some say in the stream only that the log has more.

        Raises:
            UsageError: *invocation* asks for writing tools under ``read-only``, for a schema or for
                a limit of model turns.
        """
        _check_abilities(invocation)
        argv = (
            *(invocation.program or self.program, "run", "--format", "json"),
            *("--print-logs", "--log-level", "ERROR"),
            *_session(invocation),
            *(("--model", invocation.model) if invocation.model else ()),
            *_agent(invocation),
            *(("--auto",) if invocation.permission == "full" else ()),
            *invocation.args,
        )
        return Launch(
            argv=argv,
            env={**_QUIET, **_hermetic(invocation)},
            merged_env=_merged_env(invocation),
            stdin=invocation.prompt.encode("utf-8", "replace"),
        )

    def parser(self, invocation: Invocation) -> OpenCodeParser:
        """A fresh parser for that process's stdout."""
        return OpenCodeParser(model=invocation.model, clock=self.clock)


def _check_abilities(invocation: Invocation) -> None:
    if invocation.limits.max_turns is not None:
        raise UsageError(
            Problem(
                "unsupported-option",
                "opencode cannot be held to a number of model turns",
                hints=("limit its time:   timeout=",),
            )
        )
    if invocation.schema is not None:
        raise UsageError(
            Problem(
                "unsupported-option",
                "opencode takes no schema for its answer",
                hints=("say in the prompt what the answer must look like",),
            )
        )


def _session(invocation: Invocation) -> tuple[str, ...]:
    if invocation.resume is not None:
        return ("--session", invocation.resume, *(("--fork",) if invocation.fork else ()))
    return () if _value_of("--title", invocation.args) else ("--title", "orchcore")


def _agent(invocation: Invocation) -> tuple[str, ...]:
    """The agent whose rules are known: another one's own permissions would come after ours."""
    if _allowed(invocation) is None or _value_of("--agent", invocation.args):
        return ()
    return ("--agent", "build")


def _value_of(option: str, args: Sequence[str]) -> str:
    """What *args* say for *option*, or nothing."""
    for index, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name == option:
            return value if equals else "".join(args[index + 1 : index + 2])
    return ""


def _hermetic(invocation: Invocation) -> Mapping[str, str]:
    """Folders and variables of the user's configuration, replaced by empty ones.

    ``OPENCODE_TEST_HOME`` is where 1.18.33 looks for ``~/.opencode``, ``~/.claude`` and
    ``~/.agents`` instead of the home directory; login and sessions are under ``XDG_DATA_HOME``.
    """
    if not invocation.hermetic:
        return {}
    home = invocation.session_folder / "opencode-home"
    passed = [
        name
        for name in _USERS_CONFIG
        if any(fnmatchcase(name, pattern) for pattern in invocation.pass_env)
    ]
    return {
        "XDG_CONFIG_HOME": str(home / ".config"),
        "OPENCODE_TEST_HOME": str(home),
        **{name: "" for name in _USERS_CONFIG if name not in passed},
    }


def _merged_env(invocation: Invocation) -> Mapping[str, Callable[[str], str]]:
    """Permissions, over those of the user's own variables and files.

    ``OPENCODE_PERMISSION`` is merged over all configuration, but an agent's own permissions come
    after it; those are merged from ``OPENCODE_CONFIG_CONTENT``.
    """
    rules = _rules(invocation)
    agent = _value_of("--agent", invocation.args) or "build"
    merged: dict[str, Callable[[str], str]] = {
        "OPENCODE_PERMISSION": lambda told: _with_rules("OPENCODE_PERMISSION", told, (), rules)
    }
    if _allowed(invocation) is not None:
        merged["OPENCODE_CONFIG_CONTENT"] = lambda told: _with_rules(
            "OPENCODE_CONFIG_CONTENT", told, ("agent", agent, "permission"), rules
        )
    return merged


def _rules(invocation: Invocation) -> Mapping[str, Rule]:
    """Rules that decide whatever the user's say; none of them asks, for nobody would answer.

    The last rule that matches decides, and a key that the user's configuration has keeps its place
    there. So ours are spelled as nobody's are: ``**`` for ``*``, ``rea?`` for ``read``.
    """
    allowed = _allowed(invocation)
    only = {} if allowed is None else {"**": "deny", **_unique(allowed)}
    return {**only, **_unique(_NEVER)}


def _unique(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    return {f"{name}*" if name[-1:] == "*" else f"{name[:-1]}?": rules[name] for name in rules}


def _allowed(invocation: Invocation) -> Mapping[str, Rule] | None:
    """What may be used, nothing else; ``None`` for all that the user's configuration allows."""
    if invocation.tools is not None:
        _check_tools(invocation)
        outside = {"external_directory": "allow", "doom_loop": "allow"}
        more = outside if invocation.permission == "full" else {}
        return {**_of_tools(invocation.tools), **more, "invalid": "allow"}
    if invocation.permission == "read-only":
        return _READ
    return {**_READ, "edit": "allow"} if invocation.permission == "edit" else None


def _of_tools(asked: Sequence[str]) -> dict[str, Rule]:
    """Rules for tools by OpenCode's names: ``read``, ``bash(git diff *)``."""
    rules: dict[str, Rule] = {}
    for tool in asked:
        name, parenthesis, pattern = tool.partition("(")
        key = _WRITERS.get(name, name)
        before = rules.get(key)
        if not parenthesis:
            rules[key] = _READ.get(key, "allow")
        elif not isinstance(before, str):
            rules[key] = {**(before or {"*": "deny"}), pattern.removesuffix(")"): "allow"}
    return rules


def _check_tools(invocation: Invocation) -> None:
    """Refuses what would make ``read-only`` untrue; ``bash(git diff *)`` is the user's word."""
    writing = [
        tool
        for tool in invocation.tools or ()
        if _WRITERS.get(tool.partition("(")[0], tool.partition("(")[0]) == "edit" or tool == "bash"
    ]
    if invocation.permission == "read-only" and writing:
        raise UsageError(
            Problem(
                "unsupported-option",
                f"tools {', '.join(writing)} can write, but the permission is 'read-only'",
                hints=('permission="edit"', f"leave out {', '.join(writing)}"),
            )
        )


def _with_rules(variable: str, told: str, path: Sequence[str], rules: Mapping[str, Rule]) -> str:
    """The JSON object *told* with *rules* merged into its object at *path*.

    Raises:
        UsageError: *told* is no JSON object.
    """
    try:
        config: object = json.loads(told) if told.strip() else {}
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise UsageError(
            Problem(
                "unsupported-option",
                f"{variable} is no JSON object, so that no permissions can be added to it",
                hints=(f"write {variable} without comments and trailing commas",),
            )
        )
    return json.dumps(_merged(cast("dict[str, object]", config), path, rules))


def _merged(
    config: dict[str, object], path: Sequence[str], rules: Mapping[str, Rule]
) -> dict[str, object]:
    if not path:
        return {**config, **rules}
    inner = config.get(path[0])
    below = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
    return {**config, path[0]: _merged(below, path[1:], rules)}
