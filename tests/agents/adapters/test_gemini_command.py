import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agents.adapters.replay import NEW_ID, invocation
from orchcore.agents.adapters.gemini import STDIN_LIMIT_BYTES, GeminiAdapter
from orchcore.agents.adapters.protocol import Launch
from orchcore.errors import UsageError
from orchcore.policies import Permission, TurnLimits

FOLDER = Path("/work/turn")


def launch(**changes: Any) -> Launch:
    return GeminiAdapter().command(invocation(**changes))


def value(option: str, argv: tuple[str, ...]) -> str:
    return argv[argv.index(option) + 1]


def rules(**changes: Any) -> list[dict[str, Any]]:
    """The rules of the policy file that is named to the CLI, in order."""
    asked = launch(**changes)
    content = asked.files[value("--policy", asked.argv)]
    found: list[dict[str, Any]] = tomllib.loads(content.decode())["rule"]
    return found


def test_plain_turn() -> None:
    """The stream format is asked for, the session id is chosen, the prompt goes to stdin alone."""
    asked = launch(prompt="say 'hi' ü")
    assert asked.argv == (
        *("gemini", "--output-format", "stream-json", "--session-id", NEW_ID),
        *("--approval-mode", "default", "--policy", str(FOLDER / "gemini-policy.toml")),
    )
    assert asked.stdin == "say 'hi' ü".encode()
    assert asked.stdout_to_file


def test_one_process_in_a_trusted_folder() -> None:
    """No parent that ignores signals, and no question whether the folder is trusted."""
    env = launch().env
    assert env["GEMINI_CLI_NO_RELAUNCH"] == env["GEMINI_CLI_TRUST_WORKSPACE"] == "true"


def test_telemetry_stays_in_the_turns_folder() -> None:
    """Events go to a file that is read back, without prompts; nothing is sent or updated."""
    asked = launch()
    assert asked.read_back == (asked.env["GEMINI_TELEMETRY_OUTFILE"],)
    assert Path(asked.read_back[0]).parent == FOLDER
    assert asked.env["GEMINI_TELEMETRY_TARGET"] == "local"
    assert asked.env["GEMINI_TELEMETRY_LOG_PROMPTS"] == "false"
    defaults = json.loads(asked.files[asked.env["GEMINI_CLI_SYSTEM_DEFAULTS_PATH"]])
    assert defaults["privacy"] == {"usageStatisticsEnabled": False}
    assert defaults["general"]["enableAutoUpdate"] is False


def test_options_are_passed_on() -> None:
    """Program, model and extra arguments are the caller's."""
    argv = launch(program="/opt/gemini", model="gemini-2.5-pro", args=("--debug",)).argv
    assert argv[0] == "/opt/gemini"
    assert value("--model", argv) == "gemini-2.5-pro"
    assert argv[-1] == "--debug"


def test_resume_keeps_the_id() -> None:
    """A resumed session is named by its id, and no new id is chosen."""
    argv = launch(resume="old").argv
    assert value("--resume", argv) == "old"
    assert "--session-id" not in argv


@pytest.mark.parametrize(
    ("permission", "mode", "writes"),
    [("read-only", "default", False), ("edit", "auto_edit", True)],
)
def test_permission_is_a_policy(permission: Permission, mode: str, writes: bool) -> None:
    """What a permission does not name is denied, above whatever the user's settings allow."""
    assert value("--approval-mode", launch(permission=permission).argv) == mode
    allowed, denied = rules(permission=permission)
    assert (denied["toolName"], denied["decision"], denied["priority"]) == ("*", "deny", 998)
    assert (allowed["decision"], allowed["priority"]) == ("allow", 999)
    assert "read_file" in allowed["toolName"]
    assert ("write_file" in allowed["toolName"]) is writes
    for tool in ("run_shell_command", "exit_plan_mode", "ask_user", "web_fetch"):
        assert tool not in allowed["toolName"]


def test_full_allows_everything() -> None:
    """``full`` asks for nothing and leaves the user's own policies as they are."""
    asked = launch(permission="full")
    assert value("--approval-mode", asked.argv) == "yolo"
    assert "--policy" not in asked.argv


def test_tools_are_a_policy() -> None:
    """A list of tools is all that is allowed; a command's beginning limits the shell."""
    asked = ("read_file", 'run_shell_command(git diff "ü")', "run_shell_command")
    *allowed, denied = rules(permission="full", tools=asked)
    assert [rule["toolName"] for rule in allowed] == [
        ["read_file"],
        ["run_shell_command"],
        ["run_shell_command"],
    ]
    assert [rule.get("commandPrefix") for rule in allowed] == [None, 'git diff "ü"', None]
    assert [rule.get("allowRedirection") for rule in allowed] == [None, None, True]
    assert denied["decision"] == "deny"
    assert [rule["decision"] for rule in rules(tools=())] == ["deny"]


@pytest.mark.parametrize("tool", ["write_file", "replace", "run_shell_command", "*", "mcp_*"])
def test_read_only_refuses_tools_that_write(tool: str) -> None:
    """A tool that writes contradicts ``read-only`` and says how to put that right."""
    with pytest.raises(UsageError) as caught:
        launch(tools=("read_file", tool))
    assert caught.value.code == "unsupported-option"
    assert caught.value.hint == 'permission="edit"'


@pytest.mark.parametrize("tool", ["", "a b", "read_file(x)", 'x"\ny = "', "run_shell_command()"])
def test_odd_tools_are_refused(tool: str) -> None:
    """What cannot be a tool's name is no rule."""
    with pytest.raises(UsageError) as caught:
        launch(permission="full", tools=(tool,))
    assert caught.value.code == "unsupported-option"


@pytest.mark.parametrize(
    "asked",
    [
        {"resume": "old", "fork": True},
        {"schema": {"type": "object"}},
        {"limits": TurnLimits(max_turns=3)},
        {"prompt": "x" * (STDIN_LIMIT_BYTES + 1)},
    ],
)
def test_what_it_cannot_do_is_refused(asked: dict[str, Any]) -> None:
    """A fork, a schema, a turn limit and a prompt that would be cut are refused with a hint."""
    with pytest.raises(UsageError) as caught:
        launch(**asked)
    assert caught.value.code == "unsupported-option"
    assert caught.value.hint


def test_all_refusals_come_at_once() -> None:
    """Several impossible wishes are one error."""
    with pytest.raises(UsageError) as caught:
        launch(resume="old", fork=True, limits=TurnLimits(max_turns=3))
    assert len(caught.value.problems) == 2


def test_hermetic_turn_has_its_own_home() -> None:
    """A hermetic turn shares a home with the run's other turns, so that it can be resumed."""
    assert launch(hermetic=True).env["GEMINI_CLI_HOME"] == "/work/sessions/gemini"
    assert "GEMINI_CLI_HOME" not in launch().env


def test_login_is_geminis_own() -> None:
    """It names its own login variables and no other vendor's."""
    names = GeminiAdapter().login_env
    assert {"GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"} <= set(names)
    assert all(
        name.startswith(("GEMINI_", "GOOGLE_", "CODE_ASSIST_", "CLOUD_SHELL")) for name in names
    )
