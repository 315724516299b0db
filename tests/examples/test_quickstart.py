"""The quickstart tells the truth about any git repository, also with agents that are simulated."""

import json
import os
import re
from pathlib import Path

import pytest

from examples.copies import artifact, copied, run_example
from examples.repositories import LONG_FUNCTION, REVIEWER, commit, created, git, hostile, write


@pytest.fixture
def quickstart(tmp_path: Path) -> Path:
    """A copy of the example, in no repository."""
    return copied(tmp_path) / "quickstart"


def section(report: str, heading: str) -> list[str]:
    """The items below the heading that begins with *heading*."""
    _, found, rest = report.partition(f"\n## {heading}")
    assert found, report
    return re.findall(r"^\* (.*)$", rest.partition("\n## ")[0], re.MULTILINE)


def test_report_is_true(tmp_path: Path, quickstart: Path) -> None:
    """Files, churn, long functions, tests and failed checks are those of the repository."""
    repository = created(tmp_path / "shop")
    commit(repository, {"shop.py": b"a = 1\nb = 2\n", "gone.py": b"c = 3\n", "same.py": b"d = 4\n"})
    shop = b"a = 1\nb = 5\n" + LONG_FUNCTION.encode()
    test = b"def test() -> None: ...\n"
    (repository / "gone.py").unlink()
    commit(repository, {"shop.py": shop, "tests/shop.py": test, "latest.png": b"\x89PNG\0\0"})
    write(repository, {"same.py": b"d = 4\ne = 6 \n", "untracked.py": b"f = 7\n"})
    before = git(repository, "status", "--porcelain", "--ignored")

    done = run_example(quickstart, "--repo", "shop", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    report = artifact(quickstart, "report.md")
    assert section(report, "Changed since HEAD~1: 5 files, 66 lines, 1 test files") == [
        "shop.py +62 -1",
        "gone.py +0 -1",
        "same.py +1 -0",
        "tests/shop.py +1 -0",
        "latest.png binary",
    ]
    assert section(report, "Functions of more than 40") == ["shop.py:3 long has 61 lines"]
    blanks = "git diff --check: same.py:2: trailing whitespace."
    assert section(report, "Checks") == [blanks, "python -m compileall: passed"]
    assert section(report, "Verdict: not ready") == [blanks]
    verdict = json.loads(artifact(quickstart, "verdict.json"))
    assert verdict == {"outcome": "not ready", "reasons": [blanks]}
    (path,) = quickstart.rglob("report.md")
    assert f"not ready: {path}\n" in done.stdout
    assert git(repository, "status", "--porcelain", "--ignored") == before


def test_repository_it_stands_in(tmp_path: Path) -> None:
    """Without ``--repo`` its own repository is reviewed, and simulated remarks are no review."""
    repository = created(tmp_path / "project")
    quickstart = copied(repository) / "quickstart"
    commit(repository, {"a.txt": b"tea\n"})
    commit(repository, {"a.txt": b"tea\ncake\n"})
    done = run_example(quickstart, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = artifact(quickstart, "report.md")
    assert section(report, "Changed since HEAD~1: 1 files, 1 lines") == ["a.txt +1 -0"]
    assert section(report, "Checks") == ["git diff --check: passed"]
    assert len(section(report, "Verdict: not reviewed")) == 3
    for lens in ("correctness", "tests", "simplicity"):
        assert section(report, f"Remarks on {lens}, SIMULATED: made up by the demo agent")


def test_hostile_repository(tmp_path: Path, quickstart: Path) -> None:
    """Names and contents that would break out of a list, a prompt or a parser do not."""
    repository = hostile(tmp_path / "hostile")
    done = run_example(quickstart, "--repo", str(repository))
    assert done.returncode == 0, done.stdout + done.stderr
    report = artifact(quickstart, "report.md")
    files = section(report, "Changed since HEAD~1: 16 files")
    assert files[0] == "a_long.txt +20000 -0"
    assert files[-2:] == ["blob.bin binary", "nul.py binary"]
    assert r"new\nline.py +1 -0" in files
    assert r"esc\x1b[31m.py +1 -0" in files
    assert "&lt;img src=x&gt;`|*.md +1 -0" in files
    assert section(report, "Functions of more than 40") == ["lóng.py:1 long has 61 lines"]
    blanks, syntax = section(report, "Checks")
    assert "trailing whitespace" in blanks
    assert "deep.py" in syntax
    assert "\x1b" not in report
    assert "SyntaxWarning" not in done.stderr


def test_prompt_of_huge_diff(tmp_path: Path, quickstart: Path) -> None:
    """A prompt shows the beginning of every file, and quotes every line of it."""
    repository = hostile(tmp_path / "hostile")
    assert run_example(quickstart, "--repo", str(repository)).returncode == 0
    prompt = next((quickstart / ".orchcore").rglob("prompt.md")).read_text("utf-8")
    assert len(prompt) < 100_000
    _, _, quoted = prompt.partition("\n\n")
    assert all(line.startswith("| ") for line in quoted.split("\n"))
    assert "| +line 0\n" in quoted
    assert re.search(r"^\| \.\.\. 19\d\d\d more$", quoted, re.MULTILINE)
    assert "b/wide.js" in quoted


def test_first_commit(tmp_path: Path, quickstart: Path) -> None:
    """Where nothing is older, every tracked file is new."""
    repository = created(tmp_path / "new")
    commit(repository, {"a.py": b"x = 1\n", "b/c.txt": b"tea\n"})
    assert run_example(quickstart, "--repo", str(repository)).returncode == 0
    report = artifact(quickstart, "report.md")
    assert section(report, "Changed since the beginning") == ["a.py +1 -0", "b/c.txt +1 -0"]


def test_other_base(tmp_path: Path, quickstart: Path) -> None:
    """``--base`` names the commit to compare with, from any folder of the repository."""
    repository = created(tmp_path / "project")
    for number in range(4):
        commit(repository, {f"folder/{number}.txt": b"tea\n"})
    options = ("--repo", str(repository / "folder"), "--base", "HEAD~3")
    assert run_example(quickstart, *options).returncode == 0
    changed = section(artifact(quickstart, "report.md"), "Changed since HEAD~3")
    assert changed == [f"folder/{number}.txt +1 -0" for number in (1, 2, 3)]


def test_empty_repository(tmp_path: Path, quickstart: Path) -> None:
    """A repository without files has nothing to review: skipped, not failed."""
    repository = created(tmp_path / "empty")
    done = run_example(quickstart, "--repo", str(repository))
    assert done.returncode == 0
    assert "no tracked file changed since the beginning" in done.stdout
    assert not list(quickstart.rglob("report.md"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--repo", "plain"), "plain: fatal: not a git repository"),
        (("--repo", "bare"), "bare: fatal: this operation must be run in a work tree"),
        (("--repo", "missing"), "missing is no folder"),
        (("--repo", "project", "--base=-x"), "--base -x: "),
        (("--repo", "project", "--base", "nowhere"), "--base nowhere: "),
    ],
)
def test_nothing_to_compare(
    tmp_path: Path, quickstart: Path, options: tuple[str, ...], message: str
) -> None:
    """What cannot be reviewed fails the first phase, with a line that says which option is off."""
    (tmp_path / "plain").mkdir()
    created(tmp_path / "bare", "--bare")
    commit(created(tmp_path / "project"), {"a.txt": b"tea\n"})
    limited = {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    done = run_example(quickstart, *options, cwd=tmp_path, env=limited)
    assert done.returncode == 1
    assert message in done.stdout
    assert "1 failed, 5 blocked" in done.stdout


def test_no_git(tmp_path: Path, quickstart: Path) -> None:
    """Without git in PATH the run fails, and says that it is git which is missing."""
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run_example(quickstart, "--repo", str(tmp_path), env={"PATH": str(empty)})
    assert done.returncode == 1
    assert "not_installed: 'git' was not found" in done.stdout


@pytest.mark.parametrize(
    ("answer", "outcome", "reasons"),
    [
        ("[]", "ready", []),
        (
            '[{"file": "a.py", "remark": "wrong <b>sum</b>", "must_fix": true}]',
            "not ready",
            ["a.py: wrong &lt;b&gt;sum&lt;/b&gt;"] * 3,
        ),
    ],
)
def test_real_agent(
    tmp_path: Path, quickstart: Path, answer: str, outcome: str, reasons: list[str]
) -> None:
    """With agents that are not simulated, the verdict is theirs and nothing is marked."""
    repository = created(tmp_path / "project")
    commit(repository, {"a.py": b"x = 1\n"})
    program = tmp_path / "reviewer"
    program.write_text(REVIEWER, "utf-8")
    program.chmod(0o755)
    argv = json.dumps([os.fspath(program), answer])
    settings = f"[agents.own]\nadapter = 'text'\nargv = {argv}\n"
    (quickstart / "orchcore.toml").write_text(settings, "utf-8")
    done = run_example(quickstart, "--repo", str(repository), "--agent", "own")
    assert done.returncode == 0, done.stdout + done.stderr
    report = artifact(quickstart, "report.md")
    assert section(report, f"Verdict: {outcome}") == (reasons or ["none"])
    assert "SIMULATED" not in report + done.stdout
