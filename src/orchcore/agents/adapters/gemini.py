"""Gemini CLI (``gemini``), tested with 0.61.0."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from orchcore.agents.adapters.gemini_policy import policy
from orchcore.agents.adapters.gemini_stream import GeminiParser
from orchcore.agents.adapters.protocol import Capabilities, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError
from orchcore.policies import Permission

STDIN_LIMIT_BYTES = 8 * 2**20
"""Gemini CLI 0.61 cuts a longer prompt off without a word on its stdout."""

_MODES: Mapping[Permission, str] = {"read-only": "default", "edit": "auto_edit", "full": "yolo"}

_LOGIN_ENV = (
    "GEMINI_API_KEY",
    "GEMINI_API_KEY_AUTH_MECHANISM",
    "GEMINI_CLI_CUSTOM_HEADERS",
    "GEMINI_CLI_HOME",
    "GEMINI_CLI_USE_COMPUTE_ADC",
    "GEMINI_MODEL",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_ACCESS_TOKEN",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_PROJECT_ID",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_API_VERSION",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_VERTEX_BASE_URL",
    "CLOUD_SHELL",
    "CODE_ASSIST_API_VERSION",
    "CODE_ASSIST_ENDPOINT",
)

# Below the user's own settings. Without a recursive search "@dataclass" in a prompt stays what it
# is; with it the first file whose name has "dataclass" in it is put in its place.
_DEFAULTS = {
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "context": {"fileFiltering": {"enableRecursiveFileSearch": False}},
}


@dataclass(frozen=True, slots=True)
class GeminiAdapter:
    """Starts ``gemini --output-format stream-json`` and reads its stream and its event log.

    What the CLI would send as telemetry it writes to a file of the turn instead, without prompts:
    only there it tells which text belongs to a try that failed, and why a reply ended.

    Attributes:
        clock: Unix time, for times of day in limit messages.
    """

    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """``gemini``."""
        return "gemini"

    @property
    def capabilities(self) -> Capabilities:
        """Conversations go on in the directory they began in only; there are no forks."""
        return Capabilities(
            resume=True,
            tools=True,
            chosen_session_id=True,
            hermetic=True,
            money="tokens",
        )

    @property
    def versions(self) -> Versions:
        """0.61.0."""
        return Versions("0.61.0", "0.61.0")

    @property
    def program(self) -> str:
        """``gemini``."""
        return "gemini"

    @property
    def login_env(self) -> tuple[str, ...]:
        """Variables of its login, endpoint and model."""
        return _LOGIN_ENV

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn; the prompt goes to its stdin.

        The folder is trusted, as Gemini CLI works in no other without asking. A hermetic turn has
        a home of its own in the run's folder, so its login must come by variables.

        Raises:
            UsageError: *invocation* asks for a fork, a schema, a turn limit, tools that write
                under ``read-only``, or a prompt of more than 8 MiB.
        """
        prompt = invocation.prompt.encode("utf-8", "replace")
        _check(invocation, len(prompt))
        rules = policy(invocation.permission, invocation.tools)
        rules_file = str(invocation.folder / "gemini-policy.toml")
        defaults_file = str(invocation.folder / "gemini-defaults.json")
        log_file = str(invocation.folder / "gemini-events.json")
        argv = (
            *(invocation.program or self.program, "--output-format", "stream-json"),
            *_session(invocation),
            *(("--model", invocation.model) if invocation.model else ()),
            *("--approval-mode", _MODES[invocation.permission]),
            *(("--policy", rules_file) if rules is not None else ()),
            *invocation.args,
        )
        files = {defaults_file: json.dumps(_DEFAULTS).encode()}
        if rules is not None:
            files[rules_file] = rules
        return Launch(
            argv=argv,
            env=dict(_env(invocation, defaults_file, log_file)),
            stdin=prompt,
            files=files,
            read_back=(log_file,),
        )

    def parser(self, invocation: Invocation) -> GeminiParser:
        """A fresh parser for that process's stdout."""
        del invocation
        return GeminiParser(clock=self.clock)


def _session(invocation: Invocation) -> tuple[str, str]:
    if invocation.resume is None:
        return ("--session-id", invocation.new_session_id)
    return ("--resume", invocation.resume)


def _env(invocation: Invocation, defaults_file: str, log_file: str) -> Iterator[tuple[str, str]]:
    yield "GEMINI_CLI_NO_RELAUNCH", "true"  # else a parent that ignores every signal
    yield "GEMINI_CLI_TRUST_WORKSPACE", "true"
    yield "GEMINI_CLI_SYSTEM_DEFAULTS_PATH", defaults_file
    yield "GEMINI_TELEMETRY_ENABLED", "true"
    yield "GEMINI_TELEMETRY_TARGET", "local"
    yield "GEMINI_TELEMETRY_OUTFILE", log_file
    yield "GEMINI_TELEMETRY_LOG_PROMPTS", "false"
    yield "GEMINI_TELEMETRY_TRACES_ENABLED", "false"
    yield "NO_COLOR", "1"
    if invocation.hermetic:
        yield "GEMINI_CLI_HOME", str(invocation.session_folder / "gemini")


def _check(invocation: Invocation, prompt_bytes: int) -> None:
    problems = [
        Problem("unsupported-option", f"Gemini CLI {message}", hints=(hint,))
        for asked, message, hint in (
            (invocation.fork, "cannot fork a conversation", "start a new one, or continue it"),
            (
                invocation.schema is not None,
                "takes no JSON schema",
                "describe the answer in the prompt",
            ),
            (
                invocation.limits.max_turns is not None,
                "takes no limit of model turns",
                "leave out max_turns, or limit the time: timeout",
            ),
            (
                prompt_bytes > STDIN_LIMIT_BYTES,
                f"reads 8 MiB of prompt at most, this one has {prompt_bytes} bytes",
                "give it the path of a file to read",
            ),
        )
        if asked
    ]
    if problems:
        raise UsageError(*problems)
