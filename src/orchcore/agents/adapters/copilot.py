"""GitHub Copilot CLI (``copilot``), tested with 1.0.102."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchcore.agents.adapters.copilot_stream import CopilotParser
from orchcore.agents.adapters.protocol import Capabilities, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError
from orchcore.policies import Permission

_READ = ("view", "grep", "glob")
_WRITE = ("create", "edit", "apply_patch")  # the last for models of OpenAI, in place of the others
_SHELL = ("bash", "read_bash", "stop_bash", "list_bash")  # what takes over 30 s needs the others

_LOGIN_ENV = (
    "COPILOT_GITHUB_TOKEN",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_HOST",
    "COPILOT_GH_HOST",
    "GH_CONFIG_DIR",
    "COPILOT_HOME",
    "COPILOT_MODEL",
    "COPILOT_OFFLINE",
    "COPILOT_PROVIDER_BASE_URL",
    "COPILOT_PROVIDER_TYPE",
    "COPILOT_PROVIDER_API_KEY",
    "COPILOT_PROVIDER_API_KEY_COMMAND",
    "COPILOT_PROVIDER_BEARER_TOKEN",
    "COPILOT_PROVIDER_WIRE_API",
    "COPILOT_PROVIDER_TRANSPORT",
    "COPILOT_PROVIDER_AZURE_API_VERSION",
    "COPILOT_PROVIDER_HEADERS",
    "COPILOT_PROVIDER_MODEL_ID",
    "COPILOT_PROVIDER_WIRE_MODEL",
    "COPILOT_PROVIDER_MAX_PROMPT_TOKENS",
    "COPILOT_PROVIDER_MAX_OUTPUT_TOKENS",
)


@dataclass(frozen=True, slots=True)
class CopilotAdapter:
    """Starts ``copilot`` with the prompt on stdin and reads its stream.

    ``login_env`` has what ``copilot help environment`` names for login, endpoint and model, and
    where ``gh`` keeps its login, which the CLI falls back to.

    Attributes:
        clock: Unix time, for clock times in limit messages.
    """

    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """``copilot``."""
        return "copilot"

    @property
    def capabilities(self) -> Capabilities:
        """No fork, no schema, no limit of turns; tokens, but no price in money."""
        return Capabilities(
            resume=True,
            resume_elsewhere=True,
            tools=True,
            chosen_session_id=True,
            hermetic=True,
            money="tokens",
        )

    @property
    def versions(self) -> Versions:
        """1.0.102."""
        return Versions("1.0.102", "1.0.102")

    @property
    def program(self) -> str:
        """``copilot``."""
        return "copilot"

    @property
    def login_env(self) -> tuple[str, ...]:
        """Variables of its login, endpoint and model names."""
        return _LOGIN_ENV

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn; the prompt goes to its stdin.

        Headless, the CLI denies at once what it would have to ask for. ``hermetic`` gives it a
        home below the session folder, which the whole run shares so that sessions go on; a login
        kept in the user's own home is out of reach then, one in a variable is not.

        Raises:
            UsageError: *invocation* asks for a fork, a limit of turns, or writing tools under
                ``read-only`` (``unsupported-option``).
        """
        _check(invocation)
        usage_file = str(invocation.folder / "usage.json")
        argv = (
            *(invocation.program or self.program, "--output-format", "json", "--no-color"),
            *("--stream", "on"),
            *("--no-ask-user", "--disable-client-telemetry"),
            *("--usage-output-file", usage_file),
            _session(invocation),
            *(("--model", invocation.model) if invocation.model else ()),
            *_permission(invocation.permission, invocation.tools),
            *invocation.args,
        )
        env = {"COPILOT_AUTO_UPDATE": "false"}
        if invocation.hermetic:
            env["COPILOT_HOME"] = str(invocation.session_folder / "copilot")
        return Launch(
            argv=argv,
            env=env,
            stdin=invocation.prompt.encode("utf-8", "replace"),
            read_back=(usage_file,),
        )

    def parser(self, invocation: Invocation) -> CopilotParser:
        """A fresh parser for that process's stdout."""
        return CopilotParser(
            session_id=invocation.resume or invocation.new_session_id,
            resumed=invocation.resume is not None,
            before=invocation.spent_before,
            clock=self.clock,
        )


def _session(invocation: Invocation) -> str:
    if invocation.resume is None:
        return f"--session-id={invocation.new_session_id}"
    return f"--resume={invocation.resume}"


def _permission(permission: Permission, tools: tuple[str, ...] | None) -> tuple[str, ...]:
    """Its options; an option with several values takes what follows, so each is one argument."""
    if tools is None:
        return _MODES[permission]
    # An empty list of tools is no list for the CLI; names that it does not know are none.
    names = dict.fromkeys(name for tool in tools for name in _names(tool)) or ("none",)
    rules = dict.fromkeys(rule for tool in tools if (rule := _rule(tool)))
    return (
        f"--available-tools={','.join(names)}",
        *(f"--allow-tool={rule}" for rule in rules),
        *_besides_tools(permission, tools),
    )


_MODES: Mapping[Permission, tuple[str, ...]] = {
    "read-only": (
        f"--available-tools={','.join(_READ)}",
        "--deny-tool=write",
        "--deny-tool=shell",
        "--allow-all-paths",
    ),
    "edit": ("--allow-tool=write",),
    "full": ("--allow-all",),
}


def _besides_tools(permission: Permission, tools: tuple[str, ...]) -> tuple[str, ...]:
    if permission == "read-only":
        # The shell's redirections are writes, too: ``bash(git log:*)`` cannot make a file.
        return ("--deny-tool=write", "--allow-all-paths")
    if permission == "edit":
        return ()
    some_only = any("(" in tool for tool in tools)
    return ("--allow-all-paths", "--allow-all-urls") if some_only else ("--allow-all",)


def _names(tool: str) -> tuple[str, ...]:
    """The tools that *tool* offers: a name, a kind of the CLI's rules, either with a pattern."""
    name = tool.partition("(")[0]
    if name in (*_WRITE, "write"):
        return _WRITE if name == "write" else (name, "apply_patch")
    return _SHELL if name in ("bash", "shell") else (name,)


def _rule(tool: str) -> str:
    """The CLI's permission rule for *tool*; empty for one that needs no permission."""
    name, bracket, pattern = tool.partition("(")
    if name in (*_WRITE, "write"):
        return f"write{bracket}{pattern}"
    if name in ("bash", "shell"):
        return f"shell{bracket}{pattern}"
    return "" if name in _READ else tool


def _check(invocation: Invocation) -> None:
    problems: list[Problem] = []
    if invocation.fork:
        hint = "begin a conversation of its own and tell it what it has to know"
        problems.append(_unsupported("cannot fork a conversation", hint))
    if invocation.limits.max_turns is not None:
        problems.append(_unsupported("takes no max_turns", 'timeout="30m" bounds a turn'))
    writing = [tool for tool in invocation.tools or () if _writes(tool)]
    if invocation.permission == "read-only" and writing:
        said = f"was given tools that can write ({', '.join(writing)}) under 'read-only'"
        problems.append(_unsupported(said, 'permission="edit"', f"leave out {', '.join(writing)}"))
    if problems:
        raise UsageError(*problems)


def _writes(tool: str) -> bool:
    """Whether *tool* makes ``read-only`` untrue; ``bash(git diff:*)`` is the user's word."""
    name, _, pattern = tool.partition("(")
    if any(fnmatchcase(writer, name) for writer in (*_WRITE, "write")):
        return True
    shell = any(fnmatchcase(one, name) for one in ("bash", "shell"))
    return shell and not pattern.strip("*?:) ")


def _unsupported(what: str, *hints: str) -> Problem:
    return Problem("unsupported-option", f"Copilot CLI {what}", hints=hints)
