import errno
import os
import resource
import signal
import threading
from pathlib import Path

import pytest

from orchcore.agents.launching import (
    SPARE_FILES,
    launch_failure,
    leave_files_spare,
    raise_file_limit,
    reset_ignored_signals,
)


def test_a_short_machine_is_another_matter_than_a_wrong_command(tmp_path: Path) -> None:
    """Too many open files may pass: that failure is worth another attempt."""
    error = OSError(errno.EMFILE, "Too many open files")
    failure = launch_failure(error, ("agent",), tmp_path, {})
    assert (failure.kind, failure.transient) == ("crashed", True)
    assert failure.detail == "'agent' cannot be started now: Too many open files"


def test_a_launch_leaves_files_for_looking_at_processes() -> None:
    """It is refused while more can still be opened, and the limit is named."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + SPARE_FILES, hard))
        leave_files_spare()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + SPARE_FILES - 1, hard))
        with pytest.raises(OSError, match=r"Too many open files \(ulimit -n is \d+\)") as caught:
            leave_files_spare()
        assert caught.value.errno == errno.EMFILE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_on_open_files_is_raised_and_never_lowered() -> None:
    """As far as agents need it and the hard limit allows."""
    before = (_, hard) = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        raise_file_limit()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised[0] > 256
        assert raised[1] == hard
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == raised
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_missing_program_is_told_without_all_of_path(tmp_path: Path) -> None:
    """PATH may be long; a whole command line in one word is told apart."""
    error = OSError(errno.ENOENT, "No such file or directory", "agent")
    failure = launch_failure(error, ("agent",), tmp_path, {"PATH": "/bin:" * 100})
    assert failure.kind == "not_installed"
    assert failure.detail == "'agent' was not found in PATH"
    failure = launch_failure(error, ("sh -c x",), tmp_path, {"PATH": "/bin"})
    assert failure.detail == '\'sh -c x\' is no program; separate words: "sh", "-c", "x"'


def test_only_ignored_signals_are_touched_and_only_by_the_main_thread() -> None:
    """A handler of the host program stays; an ignored signal gets one that does nothing."""
    before = signal.getsignal(signal.SIGINT)
    try:
        reset_ignored_signals()
        assert signal.getsignal(signal.SIGINT) is before
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        thread = threading.Thread(target=reset_ignored_signals)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        reset_ignored_signals()
        assert callable(signal.getsignal(signal.SIGINT))
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
