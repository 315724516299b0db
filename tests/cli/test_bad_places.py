"""A run that goes on where its folder is full, damaged, moved or somebody else's."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import orchcore

FLOW = """
from pathlib import Path
from orchcore import Agent, agent, each

@agent("demo", parallel=2)
async def work(ai: Agent, part: str = each(["a", "b"])) -> str:
    said = await ai.ask(f"work on {part}")
    if part == "b" and not Path("fixed").exists():
        raise ValueError("broken")
    return said
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHCORE_DEMO_SPEED", "0")
    (tmp_path / "orchfile.py").write_text(FLOW)
    assert orchcore("run", cwd=tmp_path).returncode == 1
    (tmp_path / "fixed").write_text("")
    return tmp_path


def _run(here: Path) -> Path:
    return next((here / ".orchcore" / "runs").iterdir())


def _damaged(here: Path) -> None:
    with (_run(here) / "journal.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4 * 4096))


def _cut(here: Path) -> None:
    os.truncate(_run(here) / "journal.db", 5000)


def _empty(here: Path) -> None:
    os.truncate(_run(here) / "journal.db", 0)


def _linked_run(here: Path) -> None:
    moved = _run(here).rename(here / "elsewhere")
    (here / ".orchcore" / "runs" / moved.name).symlink_to(moved)


def _linked_folder(here: Path) -> None:
    (here / ".orchcore").rename(here / "elsewhere")
    (here / ".orchcore").symlink_to(here / "elsewhere")


def _foreign(here: Path) -> None:
    os.chown(here / ".orchcore", 1234, 1234)


PLACES: dict[Callable[[Path], None], str] = {
    _damaged: "journal-unreadable",
    _cut: "journal-unreadable",
    _empty: "journal-unreadable",
    _linked_run: "unknown-run",
    _linked_folder: "folder-symlink",
    _foreign: "untrusted-file",
}


@pytest.mark.parametrize("spoil", PLACES)
def test_a_clear_refusal_that_changes_nothing(
    here: Path, tmp_path_factory: pytest.TempPathFactory, spoil: Callable[[Path], None]
) -> None:
    """Exit 4, a code, a hint; once the place is as it was the run goes on as if nothing had been."""
    if spoil is _foreign and os.getuid():
        pytest.skip("only root can give files away")
    kept = tmp_path_factory.mktemp("kept") / "copy"
    shutil.copytree(here / ".orchcore", kept, symlinks=True)
    spoil(here)
    done = orchcore("resume", cwd=here)
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"[{PLACES[spoil]}]" in done.stderr
    assert "help: " in done.stderr
    if (here / ".orchcore").is_symlink():
        (here / ".orchcore").unlink()
    else:
        shutil.rmtree(here / ".orchcore")
    shutil.copytree(kept, here / ".orchcore", symlinks=True)
    done = orchcore("resume", cwd=here)
    assert (done.returncode, "1 passed, 1 reused" in done.stdout) == (0, True), done.stdout


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was cut short by it, or cannot be gone on with, loses nothing that was told."""
    if os.getuid() or not shutil.which("mount"):
        pytest.skip("only root can mount")
    monkeypatch.setenv("ORCHCORE_DEMO_SPEED", "0")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (tmp_path / "orchfile.py").write_text(FLOW)
        assert orchcore("run", cwd=tmp_path).returncode == 1
        (tmp_path / "fixed").write_text("")
        _fill(tmp_path / "fill")
        full = orchcore("resume", cwd=tmp_path)
        assert full.returncode in (3, 4), full.stdout + full.stderr
        assert "full" in full.stderr
        assert "help: " in full.stderr
        (tmp_path / "fill").unlink()
        done = orchcore("resume", cwd=tmp_path)
        assert (done.returncode, "1 reused" in done.stdout) == (0, True), done.stdout
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return
