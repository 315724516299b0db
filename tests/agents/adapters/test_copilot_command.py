from typing import Any

import pytest

from agents.adapters.replay import NEW_ID, invocation
from orchcore.agents.adapters.copilot import CopilotAdapter
from orchcore.errors import UsageError
from orchcore.policies import Permission, TurnLimits


def argv(**changes: Any) -> tuple[str, ...]:
    return CopilotAdapter().command(invocation(**changes)).argv


def values(option: str, argv: tuple[str, ...]) -> list[str]:
    return [part.partition("=")[2] for part in argv if part.startswith(f"{option}=")]


def test_plain_turn() -> None:
    """JSON lines are asked for, the session id is chosen, the prompt goes to stdin."""
    launch = CopilotAdapter().command(invocation("say 'hi' ü"))
    assert launch.argv == (
        *("copilot", "--output-format", "json", "--no-color", "--stream", "on"),
        "--no-ask-user",
        *("--disable-client-telemetry", "--usage-output-file", "/work/turn/usage.json"),
        f"--session-id={NEW_ID}",
        *("--available-tools=view,grep,glob", "--deny-tool=write", "--deny-tool=shell"),
        "--allow-all-paths",
    )
    assert launch.stdin == "say 'hi' ü".encode()
    assert launch.env == {"COPILOT_AUTO_UPDATE": "false"}
    assert launch.read_back == ("/work/turn/usage.json",)


def test_options_are_passed_on() -> None:
    """Program, model and extra arguments are the caller's."""
    asked = argv(program="/opt/copilot", model="gpt-5.4", args=("--add-dir", "/data"))
    assert asked[0] == "/opt/copilot"
    assert asked[asked.index("--model") + 1] == "gpt-5.4"
    assert asked[-2:] == ("--add-dir", "/data")


def test_resumed_session_keeps_its_id() -> None:
    """A conversation that goes on needs no new id."""
    asked = argv(resume="old")
    assert values("--resume", asked) == ["old"]
    assert values("--session-id", asked) == []


def test_hermetic_has_a_home_that_the_run_shares() -> None:
    """The user's home of the CLI is shut out; sessions go on within the run."""
    launch = CopilotAdapter().command(invocation(hermetic=True))
    assert launch.env["COPILOT_HOME"] == "/work/sessions/copilot"


def test_edit_may_write_and_not_run() -> None:
    """``edit`` allows writes below the working directory and no more."""
    asked = argv(permission="edit")
    assert values("--allow-tool", asked) == ["write"]
    assert not [part for part in asked if "all" in part.removeprefix("--allow-tool")]


def test_full_allows_everything() -> None:
    """``full`` offers and allows every tool."""
    asked = argv(permission="full")
    assert "--allow-all" in asked
    assert values("--available-tools", asked) == []


def test_tools_limit_and_allow() -> None:
    """Named tools are the only ones that are offered, and allowed as far as their pattern goes."""
    asked = argv(permission="edit", tools=("view", "edit", "bash(git diff:*)", "shell(git log:*)"))
    assert values("--available-tools", asked) == [
        "view,edit,apply_patch,bash,read_bash,stop_bash,list_bash"
    ]
    assert values("--allow-tool", asked) == ["write", "shell(git diff:*)", "shell(git log:*)"]


def test_tools_of_a_server_are_passed_as_they_are() -> None:
    """A tool that is not the CLI's own is named by whoever asks for it."""
    asked = argv(tools=("grep", "MyMCP(search)"))
    assert values("--available-tools", asked) == ["grep,MyMCP"]
    assert values("--allow-tool", asked) == ["MyMCP(search)"]


def test_no_tools_are_none() -> None:
    """An empty list would be no limit for the CLI."""
    assert values("--available-tools", argv(tools=())) == ["none"]


@pytest.mark.parametrize(
    "tool",
    [
        *("bash", "write", "edit(/etc)", "create", "apply_patch", "shell"),
        *("*", "e*", "ba?h", "sh*", "bash(*)", "shell(:*)", "bash()"),
    ],
)
def test_read_only_refuses_tools_that_write(tool: str) -> None:
    """A tool that writes contradicts ``read-only``, also by a wildcard, and says how to put that right."""
    with pytest.raises(UsageError) as caught:
        argv(tools=("view", tool))
    assert caught.value.code == "unsupported-option"
    assert caught.value.hint == 'permission="edit"'


def test_read_only_shell_cannot_redirect() -> None:
    """A shell that may run some commands may still not write by redirection."""
    asked = argv(tools=("bash(git log:*)",))
    assert values("--deny-tool", asked) == ["write"]
    assert values("--allow-tool", asked) == ["shell(git log:*)"]


@pytest.mark.parametrize(
    ("tools", "allowed"),
    [(("view", "bash"), "--allow-all"), (("view", "bash(git:*)"), "--allow-all-paths")],
)
def test_full_with_a_pattern_is_not_all(tools: tuple[str, ...], allowed: str) -> None:
    """A pattern is kept to under ``full``, too."""
    asked = argv(permission="full", tools=tools)
    assert allowed in asked
    assert ("--allow-all" in asked) == (allowed == "--allow-all")


@pytest.mark.parametrize("permission", ["read-only", "edit", "full"])
def test_options_with_values_take_nothing_that_follows(permission: Permission) -> None:
    """An option that takes several values has its own with an equals sign."""
    asked = argv(permission=permission, tools=("view",), args=("x",))
    several = ("--available-tools", "--allow-tool", "--deny-tool", "--allow-url")
    assert not set(several) & set(asked)


def test_what_it_cannot_do_is_refused_at_once() -> None:
    """A fork and a limit of turns are refused before a process starts, both at once."""
    with pytest.raises(UsageError) as caught:
        argv(resume="old", fork=True, limits=TurnLimits(max_turns=3))
    assert [problem.code for problem in caught.value.problems] == ["unsupported-option"] * 2
    assert all(problem.hints for problem in caught.value.problems)


def test_login_is_its_own() -> None:
    """It names its own login variables and no other vendor's."""
    names = CopilotAdapter().login_env
    assert {"COPILOT_GITHUB_TOKEN", "GH_TOKEN", "COPILOT_PROVIDER_API_KEY"} <= set(names)
    assert all(name.startswith(("COPILOT_", "GH_", "GITHUB_TOKEN")) for name in names)
    assert "COPILOT_ALLOW_ALL" not in names


def test_capabilities_tell_what_was_measured() -> None:
    """It resumes anywhere and tells tokens; it cannot fork, take a schema or limit turns."""
    assert CopilotAdapter().versions.newest == "1.0.102"
    can = CopilotAdapter().capabilities
    assert can.resume
    assert can.resume_elsewhere
    assert can.stdin
    assert not can.fork
    assert not can.schema
    assert not can.max_turns
    assert not can.usage_streams
    assert can.money == "tokens"
