"""What a journal survives: kill -9, a full disk, a reader at any time."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from journal.scenes import PROGRAM, died_run, opened, run_ended, said, warned, writer_process
from orchcore.events import Warned
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.reader import read_run, read_summary, runs
from orchcore.journal.run_folder import RunFolder


def texts(folder: RunFolder) -> list[str]:
    events = (numbered.event for numbered in read_run(folder).events)
    return [event.text for event in events if isinstance(event, Warned)]


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    """Whenever the writer is killed: sound database, all acknowledged events, no gaps."""
    folder, count = died_run(tmp_path, acknowledged)
    written = texts(folder)
    assert len(written) >= count
    assert written == [str(number) for number in range(1, len(written) + 1)]
    assert read_summary(folder).state == "died"
    with sqlite3.connect(folder.journal) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_a_dead_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The next process appends to the record of the dead one."""
    folder, _ = died_run(tmp_path)
    before = texts(folder)
    recorder = opened(folder)
    await recorder.commit(warned(-1))
    await recorder.commit(run_ended(folder.id))
    await recorder.close()
    assert texts(folder) == [*before, "-1"]
    seqs = [numbered.seq for numbered in read_run(folder).events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert read_summary(folder).state == "ended"


def test_a_run_is_followed_from_another_process(tmp_path: Path) -> None:
    """While it is being written each read gives a prefix without gaps, and the run is running."""
    with writer_process(tmp_path, "endless") as process:
        run_id = said(process)
        said(process)
        folder = ProjectFolder.seen(tmp_path).find_run(run_id)
        seen = list[str]()
        while len(seen) < 200:
            seen = texts(folder)
            assert seen == [str(number) for number in range(1, len(seen) + 1)]
            said(process)
        summary = read_run(folder).summary
        assert (summary.state, summary.pid) == ("running", process.pid)
        assert [summary.state for summary in runs(ProjectFolder.seen(tmp_path))] == ["running"]


def starved(command: list[str]) -> list[str]:
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_a_full_disk_is_told_and_loses_nothing_once_it_is_freed(tmp_path: Path) -> None:
    """The commit that fails says so; when there is space again all of it is written."""
    run_id, *_, refused, recovered, closed = starved(
        [sys.executable, str(PROGRAM), str(tmp_path), "starved"]
    )
    failed = int(refused.split()[2])
    assert refused.startswith("refused journal-unwritable")
    assert (recovered, closed) == (f"recovered {failed}", "closed")
    folder = ProjectFolder.seen(tmp_path).find_run(run_id)
    assert [int(text.split()[0]) for text in texts(folder)] == list(range(1, failed + 1))
    assert read_summary(folder).exit_code == 1


def test_a_disk_that_stays_full_is_told_again_at_the_end(tmp_path: Path) -> None:
    """What was acknowledged is there; what was not is counted by ``close``."""
    run_id, *_, refused, closed = starved(
        [sys.executable, str(PROGRAM), str(tmp_path), "starved-for-good"]
    )
    assert closed == "closed journal-incomplete"
    folder = ProjectFolder.seen(tmp_path).find_run(run_id)
    numbers = [int(text.split()[0]) for text in texts(folder)]
    assert numbers == list(range(1, int(refused.split()[2])))


def _can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="no private mounts")
def test_a_really_full_file_system_is_called_so(tmp_path: Path) -> None:
    """A tmpfs of 1 MiB that runs full: the code is ``disk-full``, and freed space mends it."""
    script = (
        f"mount -t tmpfs -o size=1m none {tmp_path}; cd {tmp_path};"
        f" head -c 500000 /dev/zero > ballast; exec {sys.executable} {PROGRAM} {tmp_path} starved"
    )
    *_, refused, recovered, closed = starved(["unshare", "-m", "sh", "-c", script])
    assert refused.startswith("refused disk-full")
    assert recovered.startswith("recovered")
    assert closed == "closed"
