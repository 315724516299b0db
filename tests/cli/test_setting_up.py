"""``init``, ``agents``, ``check`` and completion."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.commands import ORCHCORE, SMALL, orchcore, quiet_environ
from orchcore.cli.checking import TYPE_CHECKERS, find_checker
from orchcore.cli.program import program
from orchcore.config import load_config

FILES = {"orchfile.py", "orchcore.toml", "ruff.toml", "mypy.ini"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args: str) -> Result:
    return CliRunner().invoke(program, list(args))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".git", "__pycache__"}


def program_in(folder: Path, name: str, script: str = "exit 0") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_init_writes_what_works(here: Path) -> None:
    """The starter files are there, and the orchfile can be drawn and planned at once."""
    result = call("init")
    assert result.exit_code == 0, result.output
    assert names(here) == FILES
    assert "--agent demo" in result.stdout
    assert [line.split()[0] for line in call("list").stdout.splitlines()] == [
        "plan",
        "approved",
        "implement",
        "review",
        "verdict",
    ]
    assert call("plan", "--task", "x").exit_code == 0


def test_what_init_suggests_works_as_printed(here: Path) -> None:
    """The command that needs no account runs the starter to its end."""
    call("init")
    done = orchcore("run", "--agent", "demo", "--task", "a README", "--yes", cwd=here)
    assert done.returncode == 0, done.stdout


def test_starter_is_clean_for_ruff(here: Path) -> None:
    """The starter is what ruff's formatter writes, and its rules find nothing in it."""
    call("init")
    for command in (["format", "--check"], ["check", "--select", "E,F,B,I,UP"]):
        arguments = ["-m", "ruff", *command, "orchfile.py"]
        done = subprocess.run(
            [sys.executable, *arguments], cwd=here, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_init_never_overwrites(here: Path) -> None:
    """What is there stays as it is, a dangling link included; the rest is written."""
    (here / "orchfile.py").write_text("mine")
    (here / "orchcore.toml").symlink_to("nowhere")
    result = call("init")
    assert result.exit_code == 0
    assert (here / "orchfile.py").read_text() == "mine"
    assert (here / "orchcore.toml").is_symlink()
    assert "kept     orchfile.py" in result.stdout
    assert "orchcore run --help" in result.stdout
    assert "--task" not in result.stdout  # the starter's parameter, not this orchfile's
    assert names(here) == FILES


def test_init_leaves_settings_alone_that_exist_elsewhere(here: Path) -> None:
    """A new ruff.toml would hide the project's [tool.ruff]; init says what to add instead."""
    (here / "pyproject.toml").write_text("[tool.ruff]\n[tool.mypy]\n[tool.orchcore]\njobs = 2\n")
    result = call("init", "flows")
    assert result.exit_code == 0
    assert names(here / "flows") == {"orchfile.py"}
    assert "extend-immutable-calls" in result.stdout
    assert "cd flows && orchcore graph" in result.stdout
    assert "cd 'my flows' && orchcore graph" in call("init", "my flows").stdout


def test_init_takes_the_first_agent_there_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """default_agent is an installed CLI, else the demo agent."""
    monkeypatch.setenv("PATH", str(here / "bin"))
    call("init", "without")
    assert load_config(here / "without").settings.default_agent == "demo"
    program_in(here / "bin", "claude")
    call("init", "with")
    assert load_config(here / "with").settings.default_agent == "claude"


def test_init_where_nothing_can_be_written(here: Path) -> None:
    """A folder that cannot be made is a usage error, not a crash."""
    (here / "file").write_text("")
    result = call("init", "file/flows")
    assert result.exit_code == 4
    assert "Traceback" not in result.stderr


def test_agents_tells_what_is_installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each agent has its program's place and version, or what is wrong, and what it can do."""
    monkeypatch.setenv("PATH", str(here / "bin"))
    (here / "orchcore.toml").write_text(
        'default_agent = "fast"\n[agents.fast]\nadapter = "claude"\n'
        '[agents.mine]\nadapter = "text"\nargv = ["mytool", "{prompt}"]\n[agents.odd]\n'
    )
    table, can, *blocks = call("agents").stdout.split("\n\n")
    rows = {line.split()[0]: line for line in table.splitlines()}
    assert "not installed: no 'claude' in PATH" in rows["claude"]
    assert "not installed: no 'mytool' in PATH" in rows["mine"]
    assert "no adapter is called 'odd'" in rows["odd"]
    assert rows["demo"].split()[2] == "ok"
    assert rows["default:"] == "default: fast (orchcore.toml:1)"
    assert can.splitlines()[-1].split()[0] == "simulated"
    fast = next(block for block in blocks if block.startswith("fast:"))
    assert fast.splitlines()[1].startswith("  claude -p --output-format stream-json ")
    assert fast.splitlines()[2] == '  adapter = "claude"  orchcore.toml:3'
    program_in(here / "bin", "claude", "echo 2.1.200 '(Claude Code)'")
    program_in(here / "bin", "mytool")
    data = {one["name"]: one for one in json.loads(call("agents", "--json").stdout)["agents"]}
    assert data["fast"]["path"] == data["claude"]["path"] == str(here / "bin" / "claude")
    assert data["mine"]["path"] == str(here / "bin" / "mytool")
    assert (data["claude"]["version"], data["claude"]["health"]) == ("2.1.200", "ok")
    assert data["claude"]["argv"][:2] == ["claude", "-p"]
    assert data["claude"]["capabilities"]["resume"] == "yes"
    assert data["text"]["program"] is None


@pytest.mark.parametrize(
    ("script", "health"),
    [
        ("echo 9.0.1", "newer than tested (2.1.197 to 2.1.330)"),
        ("echo 1.0.0", "older than tested (2.1.197 to 2.1.330)"),
        ("exit 3", "does not tell its version: claude --version"),
    ],
)
def test_agents_tells_of_versions_that_were_not_tested(
    here: Path, monkeypatch: pytest.MonkeyPatch, script: str, health: str
) -> None:
    """A CLI outside the tested range, or one that does not start, is told."""
    program_in(here / "bin", "claude", script)
    monkeypatch.setenv("PATH", str(here / "bin"))
    data = {one["name"]: one for one in json.loads(call("agents", "--json").stdout)["agents"]}
    assert data["claude"]["health"] == health


def test_agents_tells_where_a_setting_was_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, profile and variable are told apart; values of variables of an agent are not shown."""
    (here / "orchcore.toml").write_text(
        '[agents.fast]\nadapter = "claude"\nmodel = "haiku"\nenv = { TOKEN = "hidden" }\n'
        '[profiles.ci.agents.fast]\nmodel = "opus"\n'
    )
    monkeypatch.setenv("ORCHCORE_AGENTS__FAST__IDLE", "5m")
    out = call("agents", "--profile", "ci").stdout
    told = [line.split() for line in out.partition("fast:\n")[2].splitlines()]
    assert ["model", "=", '"opus"', "orchcore.toml:6"] in told
    assert ["idle", "=", "300.0", "ORCHCORE_AGENTS__FAST__IDLE"] in told
    assert ["env", "=", '["TOKEN"]', "orchcore.toml:4"] in told
    assert "hidden" not in out


def test_agents_imports_no_orchfile(here: Path) -> None:
    """An orchfile that cannot be imported is no concern of agents, runs, init and completion."""
    (here / "orchfile.py").write_text("raise RuntimeError('imported!')")
    for args in (["agents"], ["runs"], ["init"], ["completion", "bash"], ["--help"]):
        assert call(*args).exit_code == 0


def test_check_reads_without_a_type_checker(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a type checker check says so, and what it found itself."""
    (here / "orchfile.py").write_text(SMALL)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(here / "bin" / "python"))
    result = call("check")
    assert result.exit_code == 0
    assert "2 phases, 1 parameter," in result.stdout
    assert "no type checker is installed" in result.stdout


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 1", 1), ("exit 2", 1)])
def test_check_runs_the_type_checker(
    here: Path, monkeypatch: pytest.MonkeyPatch, script: str, code: int
) -> None:
    """The type checker gets the orchfile and this interpreter; what it finds exits 1."""
    (here / "orchfile.py").write_text(SMALL)
    program_in(here / "bin", "mypy", f'echo "$@" > {here}/asked; {script}')
    monkeypatch.setenv("PATH", str(here / "bin"))
    monkeypatch.setattr(sys, "executable", str(here / "bin" / "python"))
    assert call("check").exit_code == code
    asked = (here / "asked").read_text().split()
    assert asked == ["--python-executable", sys.executable, str(here / "orchfile.py")]


def test_check_tells_mistakes_first(here: Path) -> None:
    """A wiring mistake exits 4 and no type checker is started."""
    (here / "orchfile.py").write_text(SMALL.replace("plan: str = use(plan)", "plan: str"))
    result = call("check")
    assert result.exit_code == 4
    assert "unwired-parameter" in result.stderr


def test_configured_checker_wins(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's own type checker is used, though another is found first."""
    monkeypatch.setattr(sys, "executable", str(here / "python"))
    for checker in TYPE_CHECKERS:
        program_in(here / "bin", checker.name)
    path = str(here / "bin")

    def found() -> str | None:
        one = find_checker(here, path)
        return one[0].name if one else None

    assert found() == "mypy"
    (here / "pyproject.toml").write_text("[tool.pyright]\n")
    assert found() == "pyright"
    (here / "pyproject.toml").write_text("not toml [")
    (here / "ty.toml").write_text("")
    assert found() == "ty"
    assert find_checker(here, None) is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    """Each shell gets a script that calls the program back."""
    result = call("completion", shell)
    assert result.exit_code == 0
    assert f"_ORCHCORE_COMPLETE={shell}_complete" in result.stdout


def completed(folder: Path, *words: str) -> set[str]:
    """What a bash would be offered for the last of *words*."""
    environ = {
        **quiet_environ(),
        "_ORCHCORE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["orchcore", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        ORCHCORE, cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_completion_offers_commands_and_options(here: Path) -> None:
    """Commands, options of a command, and options of run where no command is named."""
    (here / "orchfile.py").write_text("open('imported', 'w')")
    assert {"run", "runs"} <= completed(here, "ru")
    assert completed(here, "graph", "--fo") == {"--format"}
    assert completed(here, "graph", "--format", "m") == {"mermaid"}
    assert completed(here, "run", "--pro") == {"--profile", "--progress"}
    assert completed(here, "--pro") == {"--profile", "--progress"}
    assert completed(here, "review", "--pro") == {"--profile", "--progress"}
    assert not (here / "imported").exists()


RAISES = """
from dataclasses import dataclass
from orchcore.agents.adapters.text import TextAdapter

@dataclass(frozen=True)
class Mine(TextAdapter):
    name: str = "mine"
    program: str = "sh"
    def command(self, invocation): return 1 / 0
    def parser(self, invocation): raise RuntimeError("no luck")

def orchcore_adapters(): return [Mine()]
"""


def test_a_strangers_adapter_that_raises_is_named(here: Path) -> None:
    """Its file and line are told; the other agents are listed all the same."""
    info = here / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[orchcore.adapters]\nmine = theirs\n")
    (here / "theirs.py").write_text(RAISES)
    (here / "a.jsonl").write_text("{}\n")
    listed = orchcore("agents", cwd=here, env={"PYTHONPATH": str(here)})
    assert listed.returncode == 0
    assert (
        "the adapter 'mine' raised ZeroDivisionError: division by zero (theirs.py:9)"
        in listed.stdout
    )
    assert "claude" in listed.stdout
    replayed = orchcore(
        "agents", "replay", "a.jsonl", "--adapter", "mine", cwd=here, env={"PYTHONPATH": str(here)}
    )
    assert replayed.returncode == 4
    assert (
        "error[broken-adapter]: the adapter 'mine' raised RuntimeError: no luck" in replayed.stderr
    )
    assert "theirs.py:10" in replayed.stderr
