"""The program: which command is meant, what help teaches, how mistakes end."""

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.commands import ORCHCORE, SMALL, orchcore, project, quiet_environ
from orchcore.cli.outcomes import bug_report, exit_code_of
from orchcore.cli.program import program
from orchcore.errors import (
    CollectionError,
    NothingSelectedError,
    Problem,
    RecordingError,
    UsageError,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, our working directory."""
    monkeypatch.chdir(project(tmp_path))
    return tmp_path


def call(*args: str) -> Result:
    """The program in this process."""
    return CliRunner().invoke(program, list(args))


def test_help_teaches() -> None:
    """--help has the commands in groups, examples, what a TARGET is, and the exit codes."""
    for word in ("-h", "--help"):
        result = call(word)
        assert result.exit_code == 0
        for part in ("Run:", "Look at runs:", "Examples:", "A TARGET selects", "Exit codes:"):
            assert part in result.stdout
        for command in program.list_commands(None):  # type: ignore[arg-type]
            assert f"\n  {command} " in result.stdout


def test_every_command_has_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command explains itself and exits 0, without an orchfile in sight."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    for command in program.list_commands(None):  # type: ignore[arg-type]
        result = call(command, "--help")
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.stdout


def test_version_is_told() -> None:
    """--version names orchcore and Python."""
    result = call("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("orchcore 0.")


@pytest.mark.usefixtures("here")
def test_no_command_means_run() -> None:
    """Targets and options without a command go to run."""
    for args in (("nosuch",), ("-f", "nosuch.py"), ("--progress", "loud"), ("run", "nosuch")):
        result = call(*args)
        assert result.exit_code == 4
    assert "see   orchcore run --help" in call("-j", "x").stderr


@pytest.mark.usefixtures("here")
def test_command_that_was_misspelt_is_suggested() -> None:
    """A first word that is neither a phase nor a command may have been meant as one."""
    assert "or the command:   orchcore graph" in call("grahp").stderr


def test_phase_with_a_commands_name_is_reached_through_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`orchcore list` is the command even if a phase is called so."""
    monkeypatch.chdir(project(tmp_path, SMALL.replace("plan", "list")))
    assert "list" in call("list").stdout
    assert call("plan", "list", "--agent", "demo").stdout.startswith("RUN  list")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["list", "--taks", "x"], ["there is no option --taks", "did you mean --task"]),
        (["--verison"], ["there is no option --verison", "--version"]),
        (["plan", "-j", "0"], ["error[usage]", "'-j' / '--jobs'", "0 is not in the range"]),
        (["graph", "--format", "png"], ["error[usage]", "mermaid"]),
        (["list", "-f"], ["error[usage]", "requires an argument"]),
        (["completion"], ["error[usage]", "missing argument"]),
    ],
)
@pytest.mark.usefixtures("here")
def test_usage_errors_exit_4(args: list[str], words: list[str]) -> None:
    """What click refuses is told as every other error, and exits 4."""
    result = call(*args)
    assert result.exit_code == 4
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CollectionError(Problem("cycle", "a -> b -> a")), 4),
        (UsageError(Problem("parameter", "no")), 4),
        (NothingSelectedError(Problem("nothing-selected", "no")), 5),
        (RecordingError(Problem("folder-read-only", "no")), 4),
        (RecordingError(Problem("disk-full", "no")), 3),
        (ValueError("a bug"), 3),
        (KeyError("a bug"), 3),
    ],
)
def test_errors_have_their_exit_codes(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake, an empty selection, a record that broke and a bug are told apart."""

    def raises() -> None:
        raise error

    assert exit_code_of(raises) == code
    told = capsys.readouterr().err
    assert ("Traceback" in told or "File" in told) == (code == 3 and "bug" in str(error))


def test_all_problems_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    """An error with several problems shows each of them and their number."""

    def raises() -> None:
        raise CollectionError(Problem("one", "first"), Problem("two", "second"))

    exit_code_of(raises)
    told = capsys.readouterr().err
    assert "error[one]: first" in told
    assert "error[two]: second" in told
    assert "2 errors" in told


def test_numbers_are_exit_codes() -> None:
    """What a command gives is the exit code; nothing is success."""
    assert exit_code_of(lambda: 10) == 10
    assert exit_code_of(lambda: None) == 0


def test_bug_report_is_short_and_asks_for_a_report() -> None:
    """A bug shows its last frames, however deep it was, and says whose it is."""

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError) as caught:
        deep(50)
    report = bug_report(caught.value)
    assert report.startswith("error[internal]: this is a bug in orchcore")
    assert "RuntimeError: broken" in report
    assert "please report it" in report
    assert len(report.splitlines()) < 30


def test_windows_is_refused() -> None:
    """On Windows the program says that it does not run there, and exits 4."""
    pretending = (
        "import sys; sys.platform = 'win32'; import runpy; "
        "runpy.run_module('orchcore', run_name='__main__')"
    )
    done = subprocess.run(
        [ORCHCORE[0], "-c", f"import orchcore; {pretending}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "does not run on Windows" in done.stderr


def test_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """A closed pipe at stdout leaves the exit code alone and nothing on stderr."""
    project(tmp_path)
    for args in (["graph"], ["--help"], ["list"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*ORCHCORE, *args],
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            env=quiet_environ(),
            text=True,
            check=False,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, "")


def test_full_disk_is_no_bug(tmp_path: Path) -> None:
    """One line that says so, exit code 4; nothing if stderr is full, too."""
    project(tmp_path)
    for args in (["graph"], ["--help"], ["list"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*ORCHCORE, *args],
                cwd=tmp_path,
                stdout=full,
                stderr=subprocess.PIPE,
                env=quiet_environ(),
                text=True,
                check=False,
            )
            both = subprocess.run(
                [*ORCHCORE, *args], cwd=tmp_path, stdout=full, stderr=full, check=False
            )
        first = done.stderr.splitlines()[0]
        assert first == "error[output]: the output cannot be written: No space left on device"
        assert (done.returncode, both.returncode) == (4, 4)


def test_help_is_an_option(here: Path) -> None:
    """`orchcore help` says so, and with an orchfile or without."""
    for _ in range(2):
        result = call("help")
        assert result.exit_code == 4
        assert "orchcore --help" in result.stderr
        (here / "orchfile.py").unlink(missing_ok=True)


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    """Without standard streams nothing is written into a file that got their numbers."""
    project(tmp_path)
    command = " ".join(ORCHCORE)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} list <&- >&- 2>&-"], cwd=tmp_path, check=False
    )
    assert done.returncode == 0


def test_output_that_cannot_be_encoded_is_written_all_the_same(tmp_path: Path) -> None:
    """A docstring beyond the terminal's encoding is escaped, not a crash."""
    project(tmp_path, SMALL.replace("Plans.", "Plänt ✔"))
    done = orchcore("list", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "Pl\\xe4nt \\u2714" in done.stdout


def _unmeasured() -> dict[str, str]:
    """Our environment without coverage, which imports things of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def test_light_imports() -> None:
    """Importing the program loads no rich, no sqlite, no process or planning room."""
    code = "import sys, orchcore.cli.program; print(*sys.modules)"
    done = subprocess.run(
        [ORCHCORE[0], "-c", code], env=_unmeasured(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    heavy = {"rich", "sqlite3", "psutil", "jinja2", "genai_prices", "anyio", "multiprocessing"}
    assert not loaded & heavy
    assert not {
        name for name in loaded if name.startswith(("orchcore.planning", "orchcore.journal"))
    }


def test_list_loads_what_it_needs(tmp_path: Path) -> None:
    """`orchcore list` loads no rich, no sqlite, no agents and no execution."""
    project(tmp_path)
    code = (
        "import sys\nfrom orchcore.cli.program import program\n"
        "program.main(['list'], standalone_mode=False)\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [ORCHCORE[0], "-c", code],
        cwd=tmp_path,
        env=_unmeasured(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"rich", "sqlite3", "psutil", "jinja2", "genai_prices"}
    assert not {
        name
        for name in loaded - {"orchcore.execution", "orchcore.execution.control"}
        if name.startswith(("orchcore.execution", "orchcore.agents"))
    }
