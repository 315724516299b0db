"""What the README shows first is what a newcomer gets."""

import re
import subprocess
from pathlib import Path
from shutil import copytree

from cli.commands import orchcore

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = (
    "python3 -m pip install uv && uv run orchcore run examples/quickstart",
    "python3 -m pip install uv && uv run --group dev tests/gate.py",
)
_ROW = re.compile(r"^ *[\d.m]+s  (\S) (\S+) .*?(\(simulated\))?$", re.MULTILINE)
_TALLY = re.compile(r"^(\d+ passed.*?) in .*(SIMULATED.*)$", re.MULTILINE)


def test_the_two_commands_stand_on_lines_of_their_own() -> None:
    """CI takes them from there, word for word."""
    blocks = re.findall(r"^```sh\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert [block for block in blocks if block in COMMANDS] == list(COMMANDS)


def test_the_transcript_is_what_the_quickstart_prints(tmp_path: Path) -> None:
    """Every node, its states and the tally; times, ids and answers may differ."""
    told = re.findall(r"^```text\n\$ uv run orchcore.*?^```$", README, re.MULTILINE | re.DOTALL)[0]
    folder = _repository(tmp_path)
    done = orchcore("run", "examples/quickstart", "--progress", "plain", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(_ROW.findall(done.stdout)) == sorted(_ROW.findall(told))
    assert _TALLY.findall(done.stdout) == _TALLY.findall(told) != []


def _repository(folder: Path) -> Path:
    """A repository with the examples and two commits."""
    copytree(ROOT / "examples", folder / "examples", ignore=_not_recorded)
    git = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    _run("git", "init", "-q", ".", cwd=folder)
    for text in ("x = 1\n", "x = 2\n"):
        (folder / "changed.py").write_text(text, "utf-8")
        _run("git", "add", ".", cwd=folder)
        _run(*git, "commit", "-q", "-m", "A change", cwd=folder)
    return folder


def _run(*argv: str, cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)


def _not_recorded(_: str, names: list[str]) -> set[str]:
    return {".orchcore", "__pycache__"} & set(names)
