"""``clean``: old runs go, what is needed stays, no link is followed."""

import time
from pathlib import Path

import pytest

from cli.commands import orchcore

FLOW = """
from orchcore import approve, param, phase, use

@phase
async def made(number: int = param(1)) -> int:
    return number

approved = approve(made, "Good?")

@phase
async def end(number: int = use(approved)) -> int:
    return number
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "orchfile.py").write_text(FLOW)
    return tmp_path


def told(here: Path, *words: str, code: int = 0) -> str:
    done = orchcore(*words, cwd=here)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def runs(here: Path) -> set[str]:
    return {path.name for path in (here / ".orchcore" / "runs").iterdir()}


def test_the_room_of_each_run_is_told(here: Path) -> None:
    """Without an option nothing is removed."""
    told(here, "run", "made")
    (run,) = runs(here)
    report = told(here, "clean").splitlines()
    assert report[0].startswith(f"{run}  ended  ")
    assert "1 runs in .orchcore: " in report[1]
    assert runs(here) == {run}


def test_old_runs_go_and_the_latest_stay(here: Path) -> None:
    """Also by number alone; what is paused waits for a person."""
    told(here, "run", code=10)
    paused = runs(here)
    for _ in range(3):
        told(here, "run", "made")
        time.sleep(0.02)
    assert "0 of 4 runs removed" in told(here, "clean", "--older-than", "1h")
    assert "2 of 4 runs would be removed" in told(here, "clean", "--keep", "1", "--dry-run")
    assert len(runs(here)) == 4
    assert "2 of 4 runs removed" in told(here, "clean", "--keep", "1")
    assert len(runs(here)) == 2
    assert paused < runs(here)
    assert "1 of 2 runs removed" in told(here, "clean", "--older-than", "0s")
    assert runs(here) == paused


def test_links_are_not_followed(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither below a run nor in place of one."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_text("stay")
    told(here, "run", "made")
    (run,) = runs(here)
    (here / ".orchcore" / "runs" / run / "link").symlink_to(outside)
    (here / ".orchcore" / "runs" / "abcd").symlink_to(outside)
    told(here, "clean", "--older-than", "0s")
    assert runs(here) == {"abcd"}
    assert (outside / "precious").read_text() == "stay"


def test_mistakes_are_told(here: Path) -> None:
    """Exit 4, and nothing is removed."""
    assert "not a duration" in told(here, "clean", "--older-than", "soon", code=4)


def test_cached_results(here: Path) -> None:
    """``plan`` tells of them and their keys, ``run`` uses them, ``clean`` removes old ones."""
    (here / "orchfile.py").write_text(FLOW.replace("@phase\nasync def made", CACHED))
    told(here, "run", code=10)
    key = next((here / ".orchcore" / "cache").glob("*.json")).stem[:12]
    where = f"in run {runs(here).pop()}, key {key}"
    assert where in told(here, "plan")
    assert where in told(here, "run", code=10)
    assert where not in told(here, "run", "--no-cache", code=10)
    assert "1 cached results: " in told(here, "clean")
    assert "1 cached results would be removed" in told(
        here, "clean", "--older-than", "0s", "--dry-run"
    )
    assert "1 cached results removed" in told(here, "clean", "--older-than", "0s")
    assert "cached" not in told(here, "plan")


CACHED = "@phase(cache='1h')\nasync def made"
