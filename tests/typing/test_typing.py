"""The typing promise: both type checkers accept right orchfiles and reject wrong ones.

``correct/`` holds orchfiles as users write them. ``mistakes/`` holds orchfiles that are right but
for lines that end in ``# mistake: <slug>``: on each of these both checkers must find an error, and
on no other line. The checkers run as a user runs them: strict, without plugins, without ignores.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchcore.agents.adapters.finder import find_adapters
from orchcore.collection.gathering import collect
from orchcore.execution.fitness import ensure_agents
from orchcore.planning.drafting import Request, draft

HERE = Path(__file__).parent
FOLDERS = ("correct", "mistakes")
MARK = re.compile(r"# mistake: (?P<slug>[a-z0-9-]+)$")
ASSERTION = re.compile(r"\bassert_type\(")
IGNORE = re.compile(r"#\s*(type|pyright|mypy):|\bcast\(|\bAny\b")

type Place = tuple[str, int]
type Report = Mapping[Place, list[str]]


@dataclass(frozen=True, slots=True)
class Reports:
    """What the two checkers said of one folder: messages by file and line."""

    mypy: Report
    pyright: Report

    def named(self) -> Iterator[tuple[str, Report]]:
        """Both, with the checker's name."""
        yield "mypy", self.mypy
        yield "pyright", self.pyright


def _stdout(argv: list[str], folder: Path) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    # 0: nothing found, 1: errors found; anything else is a checker that did not do its work
    assert done.returncode in (0, 1), f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def _mypy(folder: Path, cache: Path) -> Report:
    argv = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--output=json"]
    argv += ["--python-version=3.12", f"--cache-dir={cache}", "."]
    found: dict[Place, list[str]] = defaultdict(list)
    for line in _stdout(argv, folder).splitlines():
        if line.startswith("{") and (entry := json.loads(line))["severity"] == "error":
            file = Path(entry["file"]).as_posix()
            found[file, entry["line"]].append(f"{entry['message']} [{entry['code']}]")
    return found


def _pyright(folder: Path) -> Report:
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.12"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    argv = [sys.executable, "-m", "pyright", "--outputjson", f"--pythonpath={sys.executable}"]
    output = json.loads(_stdout([*argv, "--project=."], folder))
    assert output["summary"]["filesAnalyzed"] >= len([*folder.rglob("*.py")])
    found: dict[Place, list[str]] = defaultdict(list)
    for entry in output["generalDiagnostics"]:
        if entry["severity"] == "error":
            file = Path(entry["file"]).relative_to(folder).as_posix()
            line = entry["range"]["start"]["line"] + 1
            found[file, line].append(f"{entry['message']} [{entry.get('rule', 'syntax')}]")
    return found


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Reports]:
    """Each checker run once over each folder; the two mypy runs share a cache."""
    scratch = tmp_path_factory.mktemp("typing")
    # copies: the project's own settings must not reach them
    folders = [shutil.copytree(HERE / name, scratch / name) for name in FOLDERS]
    with ThreadPoolExecutor(1) as pool:
        pyright = pool.map(_pyright, folders)
        mypy = [_mypy(folder, scratch / "cache") for folder in folders]
        return {
            name: Reports(*said) for name, said in zip(FOLDERS, zip(mypy, pyright), strict=True)
        }


def _lines(folder: str) -> Iterator[tuple[Place, str]]:
    root = HERE / folder
    for path in sorted(root.rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            yield (path.relative_to(root).as_posix(), number), line


def _marks() -> dict[Place, str]:
    found = ((place, MARK.search(line)) for place, line in _lines("mistakes"))
    return {place: match["slug"] for place, match in found if match}


def _row(checker: str, place: Place, said: Iterable[str]) -> str:
    first = [message.splitlines()[0] for message in said]
    return f"{checker:<8} {place[0]}:{place[1]:<4} {'; '.join(first)}"


def test_both_checkers_accept_correct_orchfiles(reports: Mapping[str, Reports]) -> None:
    """Strict checking finds nothing to say about any pipeline."""
    table = [
        _row(checker, place, said)
        for checker, report in reports["correct"].named()
        for place, said in sorted(report.items())
    ]
    assert not table, "correct orchfiles were refused:\n" + "\n".join(table)


def test_both_checkers_reject_every_mistake_on_its_line(reports: Mapping[str, Reports]) -> None:
    """Each marked line has an error from each checker."""
    table = [
        _row(checker, place, [f"accepts {slug}"])
        for checker, report in reports["mistakes"].named()
        for place, slug in _marks().items()
        if place not in report
    ]
    assert not table, "mistakes were accepted:\n" + "\n".join(table)


def test_neither_checker_blames_a_line_without_a_mistake(reports: Mapping[str, Reports]) -> None:
    """An error stands on the line that has to be changed, and nowhere else."""
    marks = _marks()
    table = [
        _row(checker, place, said)
        for checker, report in reports["mistakes"].named()
        for place, said in sorted(report.items())
        if place not in marks
    ]
    assert not table, "lines without a mistake were refused:\n" + "\n".join(table)


def test_there_are_many_mistakes_and_each_has_its_own_name() -> None:
    """At least sixty different ones; a slug names one."""
    slugs = list(_marks().values())
    assert len(slugs) >= 60
    assert len(set(slugs)) == len(slugs), {slug for slug in slugs if slugs.count(slug) > 1}


def test_correct_orchfiles_assert_types_and_hide_nothing() -> None:
    """Every orchfile proves types with ``assert_type``, none uses an ignore, a cast or ``Any``."""
    lines = list(_lines("correct"))
    proving = {file for (file, _), line in lines if ASSERTION.search(line)}
    orchfiles = {file for (file, _), _ in lines if "/" not in file}
    assert len(orchfiles) >= 12
    assert orchfiles <= proving
    assert not [place for place, line in lines if IGNORE.search(line)]


@pytest.mark.parametrize(
    "file", sorted((HERE / "correct").glob("*.py")), ids=lambda file: file.stem
)
def test_correct_orchfiles_can_be_planned(file: Path) -> None:
    """What the checkers accept, orchcore accepts too, up to the values of parameters."""
    plan = draft(collect((), str(file), file.parent), Request(agent="demo", complete=False))
    ensure_agents(plan, find_adapters(), {})
    assert plan.nodes
