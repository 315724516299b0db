import json
from pathlib import Path
from typing import Any

import pytest

from agents.adapters.replay import invocation
from orchcore.agents.adapters.opencode import OpenCodeAdapter
from orchcore.agents.adapters.protocol import Capabilities, Launch
from orchcore.errors import UsageError
from orchcore.policies import Permission, TurnLimits

BASE = ("opencode", "run", "--format", "json", "--print-logs", "--log-level", "ERROR")


def launch(**changes: Any) -> Launch:
    return OpenCodeAdapter().command(invocation(**changes))


def permissions(told: str = "", **changes: Any) -> Any:
    """What becomes of ``OPENCODE_PERMISSION``."""
    return json.loads(launch(**changes).merged_env["OPENCODE_PERMISSION"](told))


def config(told: str = "", **changes: Any) -> Any:
    """What becomes of ``OPENCODE_CONFIG_CONTENT``."""
    return json.loads(launch(**changes).merged_env["OPENCODE_CONFIG_CONTENT"](told))


def test_plain_turn() -> None:
    """The stream format is asked for, the prompt goes to stdin, nothing is fetched or shared."""
    asked = OpenCodeAdapter().command(invocation("say 'hi' ü"))
    assert asked.argv == (*BASE, "--title", "orchcore", "--agent", "build")
    assert asked.stdin == "say 'hi' ü".encode()
    assert asked.env == {
        "PWD": "/work",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_SHARE": "1",
    }


def test_options_are_passed_on() -> None:
    """Program, model and extra arguments are the caller's."""
    argv = launch(program="/opt/oc", model="a/b", permission="full", args=("--variant", "max")).argv
    assert argv == (
        *("/opt/oc", *BASE[1:], "--title", "orchcore", "--model", "a/b", "--auto"),
        *("--variant", "max"),
    )


def test_resume_and_fork() -> None:
    """A session that goes on keeps its title; a fork's id is told in the stream."""
    full: dict[str, Any] = {"resume": "ses_1", "permission": "full"}
    assert launch(**full).argv == (*BASE, "--session", "ses_1", "--auto")
    assert launch(**full, fork=True).argv == (*BASE, "--session", "ses_1", "--fork", "--auto")


def test_the_callers_title_and_agent_are_kept() -> None:
    """An option that is given twice would be a list, which OpenCode does not expect."""
    args = ("--title", "mine", "--agent=plan")
    assert launch(args=args).argv == (*BASE, *args)
    assert set(config(args=args)["agent"]) == {"plan"}


def test_read_only_allows_what_looks() -> None:
    """All else is denied, by rules that no configuration has, so that they stand last in it."""
    rules = permissions()
    assert next(iter(rules)) == "**"
    assert rules["**"] == "deny"
    allowed = {name for name, rule in rules.items() if rule == "allow"}
    assert allowed == {"gre?", "glo?", "lis?", "todowrit?", "invali?"}
    assert rules["rea?"]["*.env"] == "deny"
    assert rules["questio?"] == "deny"


def test_edit_may_write_and_not_run() -> None:
    """``edit`` allows edits and no shell."""
    rules = permissions(permission="edit")
    assert rules["edi?"] == "allow"
    assert "bas?" not in rules


def test_full_leaves_the_users_rules() -> None:
    """What the user denies stays denied; a question nobody answers is never asked."""
    asked = launch(permission="full")
    assert set(asked.merged_env) == {"OPENCODE_PERMISSION"}
    rules = permissions(permission="full")
    assert rules == {"questio?": "deny", "plan_ente?": "deny", "plan_exi?": "deny"}


@pytest.mark.parametrize("permission", ["read-only", "edit", "full"])
def test_no_rule_asks(permission: Permission) -> None:
    """Nobody is there to answer: OpenCode would reject the call and stop without an answer."""
    assert "ask" not in json.dumps(permissions(permission=permission))


def test_tools_are_the_only_ones() -> None:
    """By OpenCode's names; all tools that write are one permission; patterns are allowed."""
    asked = ("read", "bash(git diff *)", "bash(git log *)", "write", "mcp_*")
    rules = permissions(permission="edit", tools=asked)
    assert rules["bas?"] == {"*": "deny", "git diff *": "allow", "git log *": "allow"}
    assert (rules["**"], rules["edi?"], rules["mcp_**"]) == ("deny", "allow", "allow")
    assert "gre?" not in rules
    assert permissions(tools=("bash", "bash(ls)"), permission="edit")["bas?"] == "allow"


def test_full_tools_may_leave_the_folder() -> None:
    """``full`` with a list of tools is no less free with these tools."""
    assert permissions(tools=("read",), permission="full")["external_director?"] == "allow"
    assert "external_director?" not in permissions(tools=("read",), permission="edit")


@pytest.mark.parametrize(
    "tool",
    [
        *("bash", "edit", "write", "patch(x)", "*", "**", "e*", "bas?", "b*", "*(git diff *)"),
        *("bash(*)", "bash(* *)", "bash()", "edix", "basx"),
    ],
)
def test_read_only_takes_no_tool_that_writes(tool: str) -> None:
    """What would make it untrue is refused, as is what a wildcard or our spelling makes of it."""
    with pytest.raises(UsageError, match="can write"):
        launch(tools=(tool,))
    assert permissions(tools=("bash(ls *)",))["bas?"] == {"*": "deny", "ls *": "allow"}


def test_the_users_own_variables_are_kept() -> None:
    """Rules are added to what they say, after it."""
    told = {"edit": "allow", "*": "allow"}
    assert list(permissions(json.dumps(told)))[:3] == ["edit", "*", "**"]
    build = {"prompt": "p", "permission": {"edit": "allow"}}
    told_config = {"provider": {"x": 1}, "agent": {"build": build, "other": {"mode": "all"}}}
    merged = config(json.dumps(told_config))
    assert merged["provider"] == {"x": 1}
    assert merged["agent"]["other"] == {"mode": "all"}
    assert merged["agent"]["build"]["prompt"] == "p"
    assert list(merged["agent"]["build"]["permission"])[:2] == ["edit", "**"]
    plain = {"agent": {"build": {"permission": "allow"}}}
    assert config(json.dumps(plain))["agent"]["build"]["permission"]["**"] == "deny"


@pytest.mark.parametrize("told", ["{,}", "[1]", '{"a": 1} // why'])
def test_a_variable_that_cannot_be_added_to_is_refused(told: str) -> None:
    """Comments are allowed by OpenCode, and would be lost."""
    with pytest.raises(UsageError, match="no JSON object"):
        config(told)


def test_hermetic_shuts_out_the_users_configuration() -> None:
    """Its folders are empty ones, its variables too, unless they are passed on by name."""
    env = launch(hermetic=True).env
    assert env["XDG_CONFIG_HOME"] == "/work/sessions/opencode-home/.config"
    assert env["OPENCODE_TEST_HOME"] == "/work/sessions/opencode-home"
    assert (env["OPENCODE_CONFIG"], env["OPENCODE_CONFIG_CONTENT"]) == ("", "")
    assert "XDG_DATA_HOME" not in env
    passed = launch(hermetic=True, pass_env=("OPENCODE_CONFIG*",)).env
    assert "OPENCODE_CONFIG_CONTENT" not in passed


def test_what_it_cannot_do_is_refused() -> None:
    """A limit of model turns would end as a good answer; a schema has no option."""
    with pytest.raises(UsageError, match="number of model turns"):
        launch(limits=TurnLimits(max_turns=3))
    with pytest.raises(UsageError, match="no schema"):
        launch(schema={"type": "object"})


def test_abilities_and_variables() -> None:
    """What is claimed, and no other vendor's key."""
    adapter = OpenCodeAdapter()
    assert adapter.capabilities == Capabilities(
        resume=True,
        fork=True,
        tools=True,
        hermetic=True,
        usage_streams=True,
        money="usd",
        starts_alone=True,
    )
    assert (adapter.name, adapter.program) == ("opencode", "opencode")
    assert adapter.versions.newest == "1.18.33"
    assert all(name.startswith("OPENCODE_") for name in adapter.login_env)
    assert Path(adapter.program).name == adapter.program
