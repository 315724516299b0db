import json
from typing import Any

import pytest

from agents.adapters.replay import invocation
from orchcore.agents.adapters.codex import CodexAdapter
from orchcore.agents.adapters.protocol import Launch
from orchcore.errors import UsageError
from orchcore.policies import Permission, TurnLimits

QUIET = ("-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false")
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}
FREE = {"type": "object", "additionalProperties": {"type": "string"}}
FILE = "/work/turn/schema.json"


def launch(prompt: str = "do it", **changes: Any) -> Launch:
    asked = invocation(prompt, agent="codex", adapter="codex", **changes)
    return CodexAdapter().command(asked)


def value(option: str, argv: tuple[str, ...]) -> str:
    return argv[argv.index(option) + 1]


def test_plain_turn() -> None:
    """The stream format is asked for, nothing is written, the prompt goes to stdin."""
    made = launch("say 'hi' ü")
    assert made.argv == (
        *("codex", "exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"),
        *(*QUIET, "-"),
    )
    assert made.stdin == "say 'hi' ü".encode()
    assert (made.env, made.files) == ({}, {})


@pytest.mark.parametrize(
    ("permission", "sandbox"),
    [
        ("read-only", "read-only"),
        ("edit", "workspace-write"),
        ("full", "danger-full-access"),
    ],
)
def test_permission_is_a_sandbox(permission: Permission, sandbox: str) -> None:
    """Each permission has its sandbox, in new, resumed and forked conversations alike."""
    sessions: list[dict[str, Any]] = [{}, {"resume": "old"}, {"resume": "old", "fork": True}]
    for session in sessions:
        argv = launch(permission=permission, **session).argv
        assert value("--sandbox", argv) == sandbox
        assert not [part for part in argv if "dangerously" in part]


def test_options_are_passed_on() -> None:
    """Program, model and extra arguments are the caller's."""
    argv = launch(program="/opt/codex", model="gpt-6", args=("-c", 'x="y"')).argv
    assert argv[0] == "/opt/codex"
    assert value("--model", argv) == "gpt-6"
    assert argv[-3:] == ("-c", 'x="y"', "-")


def test_resume_and_fork() -> None:
    """The subcommand and its id stand behind all options: they know fewer of them."""
    extra = ("--add-dir", "/other")
    assert launch(resume="old", args=extra).argv[-5:] == (*extra, "resume", "old", "-")
    assert launch(resume="old", fork=True, args=extra).argv[-5:] == (*extra, "fork", "old", "-")


def test_hermetic_shuts_out_the_users_configuration() -> None:
    """Neither config.toml nor rules are read."""
    assert {"--ignore-user-config", "--ignore-rules"} <= set(launch(hermetic=True).argv)
    assert "--ignore-user-config" not in launch().argv


def test_object_schema_is_a_file() -> None:
    """A schema goes into the turn's folder as strict mode wants it; the prompt stays as it is."""
    made = launch("judge", schema=OBJECT)
    assert value("--output-schema", made.argv) == FILE
    assert json.loads(made.files[FILE]) == {
        **OBJECT,
        "required": ["a"],
        "additionalProperties": False,
    }
    assert made.stdin == b"judge"


def test_other_schemas_are_boxed() -> None:
    """Any other schema becomes a field of an object; its definitions stay reachable."""
    schema = {"$defs": {"T": OBJECT}, "type": "array", "items": {"$ref": "#/$defs/T"}}
    boxed = json.loads(launch(schema=schema).files[FILE])
    assert boxed["type"] == "object"
    assert boxed["required"] == ["answer"]
    assert boxed["properties"]["answer"] == {"type": "array", "items": {"$ref": "#/$defs/T"}}
    assert boxed["$defs"]["T"]["required"] == ["a"]


def test_schema_that_cannot_be_strict_is_told_in_words() -> None:
    """Codex asks the model server for strict mode always: such a schema goes into the prompt."""
    made = launch("judge", schema=FREE)
    assert "--output-schema" not in made.argv
    assert made.files == {}
    assert made.stdin.startswith(b"judge\n\nAnswer with one JSON value")
    assert made.stdin.endswith(json.dumps(FREE).encode())


def test_what_codex_cannot_do_is_refused() -> None:
    """A list of tools and a limit of model turns are refused at once, with what to do."""
    with pytest.raises(UsageError) as caught:
        launch(tools=("shell",), limits=TurnLimits(max_turns=3))
    assert [problem.code for problem in caught.value.problems] == ["unsupported-option"] * 2
    assert "read-only" in caught.value.problems[0].hints[0]
    assert "timeout" in caught.value.problems[1].hints[0]
    with pytest.raises(UsageError):
        launch(tools=())


def test_capabilities_are_those_measured() -> None:
    """What it says it can do is what the real one was seen to do."""
    able = CodexAdapter().capabilities
    assert (able.resume, able.resume_elsewhere, able.fork, able.schema, able.hermetic) == (
        *(True, True, True, True, True),
    )
    assert (able.tools, able.max_turns, able.chosen_session_id) == (False, False, False)
    assert (able.stdin, able.usage_streams, able.money) == (True, False, "tokens")


def test_login_is_codexs_own() -> None:
    """It names its own login variables and no other vendor's."""
    names = CodexAdapter().login_env
    assert {"CODEX_API_KEY", "CODEX_HOME", "OPENAI_API_KEY"} <= set(names)
    others = ("ANTHROPIC", "CLAUDE", "GEMINI", "GOOGLE", "GITHUB", "SECRET")
    assert not [name for name in names if any(other in name for other in others)]
