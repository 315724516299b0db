"""OpenCode (``opencode``), tested with 1.18.33."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchcore.agents.adapters.opencode_permissions import (
    DEFAULT_AGENT,
    merged_env,
    restricts,
    value_of,
)
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
            starts_alone=True,  # 1.18.33 fails with "database is locked" while another sets it up
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
            # 1.18.33 believes PWD, when there is one, rather than where it is.
            env={**_QUIET, "PWD": str(invocation.cwd), **_hermetic(invocation)},
            merged_env=merged_env(invocation),
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
    return () if value_of("--title", invocation.args) else ("--title", "orchcore")


def _agent(invocation: Invocation) -> tuple[str, ...]:
    """The agent whose rules are known: another one's own permissions would come after ours."""
    if not restricts(invocation) or value_of("--agent", invocation.args):
        return ()
    return ("--agent", DEFAULT_AGENT)


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
