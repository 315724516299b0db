"""``runs`` and ``show``: what was recorded, without importing an orchfile."""

import json
import os
import signal
import subprocess
import time
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.commands import ORCHCORE, SMALL, orchcore, project, quiet_environ
from orchcore.cli.program import program
from orchcore.cli.recorded import project_folder
from orchcore.errors import UsageError


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs, whose orchfile can no longer be imported."""
    folder = project(tmp_path_factory.mktemp("recorded"))
    for task in ("first", "second"):
        done = orchcore("run", "--agent", "demo", "--task", task, cwd=folder)
        assert done.returncode == 0, done.stderr
    (folder / "orchfile.py").write_text("raise RuntimeError('imported!')")
    (folder / "deep" / "er").mkdir(parents=True)
    return folder


def call(folder: Path, *args: str) -> Result:
    """The program in this process, with *folder* as its working directory."""
    with chdir(folder):
        return CliRunner().invoke(program, list(args))


def test_runs_lists_the_latest_first(recorded: Path) -> None:
    """One line per run: id, state, exit code, start, duration, orchfile, counts."""
    lines = call(recorded, "runs").stdout.splitlines()
    assert len(lines) == 2
    assert all("ended" in line and "exit 0" in line and "2 passed" in line for line in lines)
    assert lines[0].split()[3:5] >= lines[1].split()[3:5]
    assert call(recorded, "runs", "-n", "1").stdout.splitlines() == lines[:1]


def test_runs_as_json(recorded: Path) -> None:
    """--json writes one object per line, with a schema version."""
    rows = [json.loads(line) for line in call(recorded, "runs", "--json").stdout.splitlines()]
    assert [row["schema_version"] for row in rows] == [1, 1]
    assert [row["exit_code"] for row in rows] == [0, 0]


def test_runs_are_found_from_below_and_by_file(recorded: Path, tmp_path: Path) -> None:
    """The project is the nearest one above, or the one that -f names."""
    wanted = call(recorded, "runs").stdout.split()[0]
    below = call(recorded / "deep" / "er", "runs").stdout
    named = call(tmp_path, "runs", "-f", str(recorded / "orchfile.py")).stdout
    assert below.split()[0] == named.split()[0] == wanted


def test_show_tells_each_node_and_the_summary(recorded: Path) -> None:
    """The latest run is shown as its display left it; an id or its beginning names another."""
    done = call(recorded, "show")
    assert done.exit_code == 0, done.stderr
    for part in ("plan", "verdict", "2 passed", "SIMULATED", ".orchcore/runs/"):
        assert part in done.stdout
    assert "details:" not in done.stdout
    first = call(recorded, "runs").stdout.splitlines()[1].split()[0]
    assert f"run {first}" in call(recorded, "show", first).stdout


def test_show_as_json_has_everything(recorded: Path) -> None:
    """--json has the summary, results, turns, steps and events; answers are JSON, not text."""
    data = json.loads(call(recorded, "show", "--json").stdout)
    assert data["schema_version"] == 1
    assert data["summary"]["state"] == "ended"
    assert {result["node"] for result in data["results"]} == {"plan", "verdict"}
    assert isinstance(data["turns"][0]["answer"], str)
    assert data["turns"][0]["simulated"] is True
    assert data["events"][0]["kind"] == "run_started"


def test_a_file_that_is_not_there_exits_4(tmp_path: Path) -> None:
    """Both commands say which; where there are runs the orchfile may be gone."""
    for command in ("runs", "show"):
        result = call(tmp_path, command, "-f", "nope.py")
        assert result.exit_code == 4
        assert "nope.py" in result.stderr
    (tmp_path / ".orchcore").mkdir(mode=0o700)
    assert call(tmp_path, "runs", "-f", "nope.py").exit_code == 0


def test_unknown_run_exits_4(recorded: Path) -> None:
    """A run that is not there is a usage error that says how to see them."""
    done = call(recorded, "show", "zzzz")
    assert done.exit_code == 4
    assert "orchcore runs" in done.stderr


def test_nothing_recorded_yet(tmp_path: Path) -> None:
    """Without any run, runs says how to start one and creates nothing."""
    project(tmp_path, SMALL)
    done = call(tmp_path, "runs")
    assert (done.exit_code, "orchcore run" in done.stdout) == (0, True)
    assert call(tmp_path, "show").exit_code == 4
    assert not (tmp_path / ".orchcore").exists()


def test_folder_of_others_is_not_read(tmp_path: Path) -> None:
    """A record that others may write is refused when it was found by search."""
    (tmp_path / ".orchcore").mkdir()
    (tmp_path / ".orchcore").chmod(0o777)
    with pytest.raises(UsageError):
        project_folder(None, tmp_path)


def test_configured_orchfile_names_the_project(tmp_path: Path) -> None:
    """Where the orchfile is elsewhere by configuration, so is its record."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "orchcore.toml").write_text('orchfile = "flows/main.py"\n')
    assert project_folder(None, tmp_path) == tmp_path / "flows"
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "main.py").write_text("")
    assert project_folder("flows/main.py", tmp_path) == tmp_path / "flows"
    (tmp_path / "orchcore.toml").unlink()
    assert project_folder(None, tmp_path) == tmp_path


def test_a_run_that_goes_on_is_told_from_one_that_died(tmp_path: Path) -> None:
    """Both without their last event; nothing moves in what show prints."""
    source = """\
import time
from orchcore import phase, use

@phase
async def first() -> int:
    return 1

@phase
async def hold(x: int = use(first)) -> int:
    time.sleep(60)
    return x

@phase
async def last(x: int = use(hold)) -> int:
    return x
"""
    folder = project(tmp_path, source)
    with subprocess.Popen([*ORCHCORE, "--progress", "quiet"], cwd=folder, env=quiet_environ()):
        until = time.monotonic() + 30
        while " ▸ hold" not in (shown := call(folder, "show").stdout):
            assert time.monotonic() < until, shown
            time.sleep(0.05)
        assert "1 passed, 1 running, 1 waiting in" in shown
        assert "still running" in shown
        (run,) = map(json.loads, call(folder, "runs", "--json").stdout.splitlines())
        os.kill(run["pid"], signal.SIGKILL)
    shown = call(folder, "show").stdout
    assert " ⊖ hold                 interrupted: the run's process died\n" in shown
    assert "CANCELLED last  not run\n" in shown
    assert "its process died before the run ended" in shown
