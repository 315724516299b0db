import json
from typing import Any

import pytest

from agents.adapters.replay import NEW_ID, claude, invocation
from orchcore.errors import UsageError
from orchcore.policies import TurnLimits


def argv(**changes: Any) -> tuple[str, ...]:
    return claude().command(invocation(**changes)).argv


def value(option: str, argv: tuple[str, ...]) -> str:
    return argv[argv.index(option) + 1]


def test_plain_turn() -> None:
    """The stream format is asked for, the session id is chosen, the prompt goes to stdin."""
    launch = claude().command(invocation("say 'hi' ü"))
    assert launch.argv == (
        *("claude", "-p", "--output-format", "stream-json", "--verbose"),
        *("--session-id", NEW_ID),
        *("--tools", "Read,Grep,Glob,LS", "--allowedTools", "Read,Grep,Glob,LS"),
    )
    assert launch.stdin == "say 'hi' ü".encode()
    assert launch.env == {
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def test_options_are_passed_on() -> None:
    """Program, model, turn limit and extra arguments are the caller's."""
    asked = argv(
        program="/opt/claude",
        model="opus",
        limits=TurnLimits(max_turns=3),
        args=("--effort", "low"),
    )
    assert asked[0] == "/opt/claude"
    assert value("--model", asked) == "opus"
    assert value("--max-turns", asked) == "3"
    assert asked[-2:] == ("--effort", "low")


def test_resume_and_fork() -> None:
    """A resumed session keeps its id; a fork gets a new one that was chosen beforehand."""
    resumed, forked = argv(resume="old"), argv(resume="old", fork=True)
    assert value("--resume", resumed) == "old"
    assert "--session-id" not in resumed
    assert value("--resume", forked) == "old"
    assert "--fork-session" in forked
    assert value("--session-id", forked) == NEW_ID


def test_edit_may_write_and_not_run() -> None:
    """``edit`` accepts edits without asking and allows no shell."""
    asked = argv(permission="edit")
    assert value("--permission-mode", asked) == "acceptEdits"
    allowed = value("--allowedTools", asked).split(",")
    assert {"Edit", "Write", "Read"} <= set(allowed)
    assert "Bash" not in allowed


@pytest.mark.parametrize("root", [False, True])
def test_full_bypasses_permissions(root: bool) -> None:
    """``full`` asks for nothing; as root it says that it runs in a sandbox, else Claude refuses."""
    launch = claude(root=root).command(invocation(permission="full"))
    assert value("--permission-mode", launch.argv) == "bypassPermissions"
    assert launch.env.get("IS_SANDBOX") == ("1" if root else None)
    assert "--tools" not in launch.argv


def test_root_changes_nothing_else() -> None:
    """No other permission claims a sandbox."""
    assert "IS_SANDBOX" not in claude(root=True).command(invocation(permission="edit")).env


def test_tools_limit_and_allow() -> None:
    """A list of tools is both what is offered and what is allowed; rules keep their pattern."""
    asked = argv(permission="edit", tools=("Read", "Bash(git diff:*)", "Bash(git log:*)"))
    assert value("--tools", asked) == "Read,Bash"
    assert value("--allowedTools", asked) == "Read,Bash(git diff:*),Bash(git log:*)"
    assert value("--tools", argv(tools=())) == ""


@pytest.mark.parametrize(
    "tool", ["Write", "Edit", "Bash", "NotebookEdit(x)", "*", "E*", "Bash(*)", "Bash(:*)"]
)
def test_read_only_refuses_tools_that_write(tool: str) -> None:
    """A tool that writes contradicts ``read-only`` and says how to put that right."""
    with pytest.raises(UsageError) as caught:
        argv(tools=("Read", tool))
    assert caught.value.code == "unsupported-option"
    assert caught.value.hint == 'permission="edit"'


def test_object_schema_is_passed_as_it_is() -> None:
    """A schema of an object becomes the answer tool's input."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert json.loads(value("--json-schema", argv(schema=schema))) == schema


def test_other_schemas_are_boxed() -> None:
    """Any other schema becomes a field of an object; its definitions stay reachable."""
    schema = {"$defs": {"T": {"type": "object"}}, "type": "array", "items": {"$ref": "#/$defs/T"}}
    boxed = json.loads(value("--json-schema", argv(schema=schema)))
    assert boxed["type"] == "object"
    assert boxed["required"] == ["answer"]
    assert boxed["properties"]["answer"] == {"type": "array", "items": {"$ref": "#/$defs/T"}}
    assert boxed["$defs"] == schema["$defs"]


def test_login_is_claudes_own() -> None:
    """It names its own login variables and no other vendor's."""
    names = claude().login_env
    assert {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"} <= set(names)
    assert not [name for name in names if "OPENAI" in name or "GEMINI" in name or "SECRET" in name]
