"""``recovery="halt"``: what must be done once is not begun again by itself."""

import json
from pathlib import Path

import pytest

from cli.commands import orchcore

FLOW = """
from pathlib import Path
from orchcore import phase, use

@phase(recovery="halt", retries=3)
async def release() -> int:
    with Path("released").open("a") as file:
        file.write("x")
    if len(Path("released").read_text()) < 3:
        raise RuntimeError("half done")
    return 7

@phase
async def tell(version: int = use(release)) -> str:
    return f"released {version}"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "orchfile.py").write_text(FLOW)
    assert orchcore("run", cwd=tmp_path).returncode == 1
    return tmp_path


def resume(here: Path, *words: str, code: int) -> str:
    done = orchcore("resume", "latest", *words, cwd=here)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def value(here: Path) -> str:
    record = json.loads(orchcore("show", "--json", cwd=here).stdout)
    found: str = next(one["value"] for one in record["results"] if one["node"] == "tell")
    return found


def test_it_waits_for_a_decision(here: Path) -> None:
    """It is paused, told what to do, and one decision is one attempt."""
    plan = orchcore("plan", "--resume", "latest", cwd=here).stdout
    assert "HALT  release  failed: error: RuntimeError: half done" in plan
    told = resume(here, code=10)
    assert "--rerun release" in told
    assert (here / "released").read_text() == "x"
    resume(here, "--rerun", "release", code=1)
    assert (here / "released").read_text() == "xx"
    resume(here, code=10)
    resume(here, "--rerun", "release", code=0)
    assert (here / "released").read_text() == "xxx"
    assert value(here) == "released 7"
    assert "2 reused" in resume(here, code=0)


def test_it_is_taken_for_done(here: Path) -> None:
    """With a value of its type; ``null`` is none of an int."""
    assert "does not fit" in resume(here, "--accept", "release", code=1)
    (here / "version.json").write_text("12")
    assert "given by hand" in resume(here, "--answer", "release", "version.json", code=0)
    assert (here / "released").read_text() == "x"
    assert value(here) == "released 12"
    assert "2 reused" in resume(here, code=0)


def test_mistakes_are_told(here: Path) -> None:
    """A phase that does not halt, two decisions, no run that goes on."""
    assert "nothing has to be decided of 'tell'" in resume(here, "--rerun", "tell", code=4)
    both = ("--rerun", "release", "--accept", "release")
    assert "one decision at a time" in resume(here, *both, code=4)
    alone = orchcore("run", "--rerun", "release", cwd=here)
    assert (alone.returncode, "that goes on" in alone.stderr) == (4, True)
