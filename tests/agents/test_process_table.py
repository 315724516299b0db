import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchcore.agents.process_table import (
    MARKER,
    MARKER_DIGITS,
    ProcessEntry,
    TableReader,
    command_line,
    entry_of_psutil,
    mark,
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are read as Linux can")
def test_a_mark_is_inherited_without_an_environment() -> None:
    """Set from outside, read by everybody, kept by a grandchild that has lost everything else."""
    marker = "0" * (MARKER_DIGITS - 2) + "2a"
    command = "read -r go; env -i setsid /bin/sh -c 'echo $$; exec /bin/sleep 60' & wait"
    with subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=-1, stdout=-1, env={}, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert marker_of(child.pid) == ""
        mark(child.pid, marker)
        child.stdin.write("go\n")
        child.stdin.close()
        grandchild = int(child.stdout.readline())
        marked = {entry.pid for entry in TableReader().read().marked[marker]}
        os.kill(grandchild, signal.SIGKILL)
        assert marked == {child.pid, grandchild}
        assert marker_of(os.getpid()) == ""


def test_nobody_is_called_gone_for_want_of_a_file() -> None:
    """A table that could not be read is no table."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reader = TableReader()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            marker_of(os.getpid())
        with pytest.raises(OSError, match="Too many open files"):
            reader.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
