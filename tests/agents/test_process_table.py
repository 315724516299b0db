import os
import signal
import subprocess
from pathlib import Path

import psutil

from orchcore.agents.process_table import (
    MARKER,
    ProcessEntry,
    TableReader,
    command_line,
    entry_of_psutil,
    marker_of,
    send,
)


def test_a_look_finds_parents_sessions_and_markers() -> None:
    """A child in its own session is found from every side."""
    child = subprocess.Popen(
        ["/bin/sleep", "60"], start_new_session=True, env={"A": "b", MARKER: "abc", "C": "d"}
    )
    try:
        table = TableReader().read()
        found = table.entries[child.pid]
        assert (found.parent, found.session, found.dead) == (os.getpid(), child.pid, False)
        assert found in table.children[os.getpid()]
        assert table.sessions[child.pid] == [found]
        assert table.marked["abc"] == [found]
        assert command_line(child.pid) == "/bin/sleep 60"
        seen = entry_of_psutil(child.pid)
        assert seen is not None
        assert seen[2:] == found[2:]
        assert psutil.Process(child.pid).environ()[MARKER] == marker_of(child.pid)
    finally:
        child.kill()
        assert entry_of_psutil(child.pid) is not None
        child.wait()


def test_the_dead_are_known_as_such() -> None:
    """A zombie is dead, in both ways of looking; what is gone is gone."""
    child = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    seen = entry_of_psutil(child.pid)
    assert seen is not None
    assert seen.dead
    assert TableReader().read().entries[child.pid].dead
    child.wait()
    assert entry_of_psutil(child.pid) is None
    assert child.pid not in TableReader().read().entries
    assert (marker_of(child.pid), command_line(child.pid)) == ("", "?")


def test_a_signal_never_reaches_a_later_process_of_the_same_number() -> None:
    """The start time must agree."""
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        found = TableReader().read().entries[child.pid]
        later = ProcessEntry(*found)._replace(started=found.started + 1)
        assert send(later, signal.SIGKILL)
        assert child.poll() is None
        assert send(found, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert send(found, signal.SIGKILL)
    finally:
        child.kill()


def test_names_with_parentheses_and_spaces_are_no_trap(tmp_path: Path) -> None:
    """A program may be called ``a) Z 1 (``."""
    name = tmp_path / "a) Z 1 ("
    name.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(name), "60"])
    try:
        assert TableReader().read().entries[child.pid].parent == os.getpid()
    finally:
        child.kill()
        child.wait()
