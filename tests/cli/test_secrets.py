"""Secrets and what agents print, in everything that the program shows."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from cli.commands import ORCHCORE, orchcore, project, quiet_environ
from harness.subreaper import Subreaper

TOKEN = 'ghp_01"23\\456789'  # noqa: S105  made up
TEXT = "topsecret-text"
BYTES = "topsecret-bytes"
IN_MODEL = "topsecret-in-model"
IN_LIST = ("topsecret-one", "two")

LEAKING = """\
import json, os, sys
from orchcore import Agent, agent, command, phase, use

@agent
async def talker(ai: Agent) -> str:
    said = await ai.ask("x")
    print(said)
    print(json.dumps({"token": os.environ["TOKEN"]}), file=sys.stderr)
    await command("echo", os.environ["TOKEN"])
    return said

@agent("failing", retries=1)
async def fails(ai: Agent) -> str:
    return await ai.ask("x")

@phase
async def raises(said: str = use(talker)) -> dict[str, str]:
    raise ValueError(said)

@phase
async def gives(said: str = use(talker)) -> dict[str, str]:
    return {"said": said}
"""
AGENTS = """\
default_agent = "leaking"
[agents.leaking]
adapter = "text"
argv = ["sh", "-c", "cat > /dev/null; printf '%s\\n' \\"it is $TOKEN\\""]
pass_env = ["TOK*"]
[agents.failing]
adapter = "text"
argv = ["sh", "-c", "cat > /dev/null; echo \\"it is $TOKEN\\"; echo \\"err $TOKEN\\" >&2; exit 3"]
pass_env = ["TOKEN"]
"""
OPTIONED = """\
from pydantic import BaseModel, SecretBytes, SecretStr
from orchcore import command, param, phase

class Login(BaseModel):
    key: SecretStr
    port: int = 1

@phase
async def gives(
    text: SecretStr | None = param(None),
    data: SecretBytes = param(),
    login: Login = param(),
    many: list[SecretStr] = param(),
) -> list[str]:
    assert text is not None
    print("printed", login.key.get_secret_value())
    await command("echo", data.get_secret_value().decode())
    return [f"it is {text.get_secret_value()}", many[0].get_secret_value()]

@phase
async def keeps(login: Login = param(), text: SecretStr | None = param(None)) -> Login:
    return login

@phase
async def raises(text: SecretStr | None = param(None)) -> None:
    raise ValueError(f"with {text.get_secret_value()}" if text else "")
"""
OPTIONS = (
    *("--text", TEXT, f"--data={BYTES}", "--login", json.dumps({"key": IN_MODEL})),
    *("--many", IN_LIST[0], "--many", IN_LIST[1]),
)
HOSTILE = """\
import sys
from orchcore import Agent, agent

@agent
async def talker(ai: Agent) -> str:
    said = await ai.ask("x")
    print(said)
    print(said, file=sys.stderr)
    print("begun", end="", file=sys.stderr)
    return ""
"""
HOSTILE_AGENT = """\
default_agent = "hostile"
[agents.hostile]
adapter = "text"
argv = ["sh", "-c", '''cat > /dev/null; printf 'red\\033]0;owned\\007\\033[2J\\n::error::x\\n##[error]y\\n' ''']
"""


def leaking(folder: Path) -> Path:
    (folder / "orchcore.toml").write_text(AGENTS)
    return project(folder, LEAKING)


def forms(secret: str) -> set[str]:
    """As which *secret* may be met in a text, and in JSON within JSON."""
    once = json.dumps(secret)[1:-1]
    return {secret, once, json.dumps(once)[1:-1]}


def shows(text: str, secret: str = TOKEN) -> bool:
    return any(form in text for form in forms(secret))


@pytest.mark.parametrize("mode", ["plain", "quiet", "json"])
def test_what_an_agent_got_is_not_shown(tmp_path: Path, mode: str) -> None:
    """Whatever agents echo of a variable of ``pass_env``, and bodies make of it, is masked."""
    env = {
        "TOKEN": TOKEN,
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    done = orchcore("run", "--progress", mode, "-v", cwd=leaking(tmp_path), env=env)
    assert done.returncode == 1
    assert not shows(done.stdout), done.stdout
    assert not shows(done.stderr), done.stderr
    assert "***" in done.stdout
    if mode == "plain":
        assert "it is \\*\\*\\*" in (tmp_path / "summary").read_text()
    if mode == "json":
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert events[0]["secrets"] == ["TOKEN"]
        values = [json.loads(one["value"]) for one in events if one.get("value")]
        assert {"said": "it is ***"} in values


def test_what_an_agent_got_is_not_shown_on_a_terminal(tmp_path: Path) -> None:
    """Neither in a frame, nor in a permanent line, nor in the summary."""
    command = [*ORCHCORE, "run", "--progress", "tty"]
    env = {**quiet_environ(), "TOKEN": TOKEN, "COLUMNS": "200"}
    with Subreaper(command, cwd=leaking(tmp_path), env=env, terminal=True) as running:
        assert running.wait(60) == 1
        running.terminal.read_until("details: ", within_s=10)
        assert not shows(running.terminal.screen), running.terminal.screen
        assert "it is ***" in running.terminal.screen


def test_a_record_is_private_and_shown_masked(tmp_path: Path) -> None:
    """Journal and transcripts hold what was said; who shows them knows the variables by name."""
    orchcore("run", "--progress", "quiet", cwd=leaking(tmp_path), env={"TOKEN": TOKEN})
    for words in (("show",), ("show", "--json"), ("runs", "--json")):
        done = orchcore(*words, cwd=tmp_path, env={"TOKEN": TOKEN})
        assert done.returncode == 0
        assert not shows(done.stdout), done.stdout
    kept = orchcore("show", "--json", cwd=tmp_path, env={"TOKEN": "another-token"})
    assert shows(kept.stdout)
    (run,) = (tmp_path / ".orchcore" / "runs").iterdir()
    transcript = run / "talker" / "attempt-1" / "turn-1" / "stdout.jsonl"
    assert TOKEN in transcript.read_text()
    for path in (run / "journal.db", transcript):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".orchcore").stat().st_mode) == 0o700


@pytest.mark.parametrize("node", ["gives", "keeps", "raises"])
def test_secret_parameters_are_neither_shown_nor_recorded(tmp_path: Path, node: str) -> None:
    """In lists, models, optional: masked on the way out; the record has no command line of them."""
    project(tmp_path, OPTIONED)
    done = orchcore("run", node, *OPTIONS, "--progress", "json", cwd=tmp_path)
    assert done.returncode == (node == "raises"), done.stderr
    for secret in (TEXT, BYTES, IN_MODEL, IN_LIST[0]):
        assert secret not in done.stdout + done.stderr
    assert '"login":"***"' in done.stdout
    assert node != "keeps" or '"brief":"Login(key=***, port=1)"' in done.stdout
    (run,) = (tmp_path / ".orchcore" / "runs").iterdir()
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        ((argv,),) = journal.execute("SELECT argv FROM processes").fetchall()
        ((started,),) = journal.execute("SELECT body FROM events WHERE seq = 1").fetchall()
    assert json.loads(argv)[2:] == [
        *(node, "--text", "***", "--data=***", "--login", "***", "--many", "***"),
        *("--many", "***", "--progress", "json"),
    ]
    assert "topsecret" not in started


@pytest.mark.parametrize(
    "options",
    [
        ("--login", f'{{"key":"{IN_MODEL}","port":"{TEXT}"}}'),
        ("--login", IN_MODEL),
        ("--data", BYTES, "--many", "@nowhere", "--many", IN_LIST[0]),
    ],
)
def test_no_error_tells_a_secret(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What is wrong is told, not with what."""
    done = orchcore("run", "gives", *options, cwd=project(tmp_path, OPTIONED))
    assert done.returncode == 4
    assert "topsecret" not in done.stderr
    assert "***: " in done.stderr


def test_agents_shows_no_secret(tmp_path: Path) -> None:
    """Not even one that somebody wrote into the arguments, too."""
    settings = f'[agents.mine]\nadapter = "claude"\nargs = ["--token", "{TEXT}"]\n'
    (tmp_path / "orchcore.toml").write_text(f'{settings}env = {{ API_TOKEN = "{TEXT}" }}\n')
    for words in (("agents",), ("agents", "--json")):
        done = orchcore(*words, cwd=project(tmp_path) if len(words) == 1 else tmp_path)
        assert done.returncode == 0
        assert TEXT not in done.stdout
        assert "***" in done.stdout


@pytest.mark.parametrize("mode", ["plain", "quiet", "json"])
def test_ci_log_gets_no_command_of_an_agent(tmp_path: Path, mode: str) -> None:
    """A body prints what an agent wrote, on either stream: no line of it is obeyed."""
    (tmp_path / "orchcore.toml").write_text(HOSTILE_AGENT)
    env = {"GITHUB_ACTIONS": "true"}
    done = orchcore("run", "--progress", mode, cwd=project(tmp_path, HOSTILE), env=env)
    assert done.returncode == 0
    for text in (done.stderr, done.stdout if mode != "json" else ""):
        assert not [line for line in text.splitlines() if line.startswith("::error")]
        assert "##[" not in text
        assert "\x1b" not in text
    assert ": :error::x" in done.stderr
    assert "begun" in done.stderr


def test_a_file_gets_what_is_printed_as_it_is(tmp_path: Path) -> None:
    """Quiet, without terminal and CI, a body's output is the program's own."""
    (tmp_path / "orchcore.toml").write_text(HOSTILE_AGENT)
    done = orchcore("run", "--progress", "quiet", cwd=project(tmp_path, HOSTILE))
    assert "red\x1b]0;owned\x07\x1b[2J\n::error::x\n##[error]y\n" in done.stdout
    assert done.stderr.endswith("::error::x\n##[error]y\nbegun")


@pytest.mark.parametrize("mode", ["tty", "plain", "quiet"])
def test_terminal_gets_no_control_sequence_of_an_agent(tmp_path: Path, mode: str) -> None:
    """From the first print on, before any frame is drawn."""
    (tmp_path / "orchcore.toml").write_text(HOSTILE_AGENT)
    project(tmp_path, HOSTILE)
    command = [*ORCHCORE, "run", "--progress", mode]
    with Subreaper(command, cwd=tmp_path, env=quiet_environ(), terminal=True) as running:
        assert running.wait(60) == 0
        running.terminal.read_until("details: ", within_s=10)
        assert "\x1b]0;owned" not in running.terminal.screen
        assert "\x1b[2J" not in running.terminal.screen
        assert running.terminal.screen.count("red") >= 2


GATED = """\
import os
from orchcore import approve, phase, use

@phase
async def plan() -> dict[str, str]:
    return {"token": os.environ["TOKEN"]}

approved = approve(plan, lambda plan: f"Use {plan['token']}?")

@phase
async def work(plan: dict[str, str] = use(approved)) -> int:
    return 1
"""


def test_question_is_asked_without_secrets(tmp_path: Path) -> None:
    """A person sees where the secret stands; the value goes on as it is."""
    (tmp_path / "orchcore.toml").write_text(AGENTS)
    command = [*ORCHCORE, "run", "--progress", "plain"]
    env = {**quiet_environ(), "TOKEN": TOKEN}
    with Subreaper(command, cwd=project(tmp_path, GATED), env=env, terminal=True) as running:
        running.terminal.read_until("? Use ***?", within_s=30)
        running.terminal.read_until("approve? [y/n/r/?]", within_s=10)
        assert '"token": "***"' in running.terminal.screen
        running.terminal.type(b"y\n")
        assert running.wait(20) == 0
        assert not shows(running.terminal.screen)
