"""What has to be right before a child starts, and what to say when it cannot."""

import errno
import os
import resource
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from orchcore.results import Failure

_NAME_SHOWN = 200
SPARE_FILES = 32
"""Open files that a launch must find free: it takes nine for a moment, and with none at all nobody
could look at processes and end them."""
_ENOUGH_FILES = 16_384
_NOT_EXECUTABLE = {errno.EACCES, errno.ENOEXEC, errno.EPERM, errno.ENOTDIR, errno.EISDIR}


def reset_ignored_signals() -> None:
    """Makes sure that children do not inherit SIGINT or SIGTERM as ignored.

    ``nohup`` and a shell's ``&`` start programs with SIGINT ignored; that survives ``exec``, and
    OpenCode 1.18.33 then never hears a SIGINT. A handler, unlike "ignore", is reset by ``exec``:
    one that does nothing leaves us as deaf as before and our children not. ``preexec_fn`` would
    do the same for 2-65 ms per launch. Outside the main thread nothing can be set.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def raise_file_limit() -> None:
    """Raises the soft limit on open files (``ulimit -n``) as far as we may and need.

    An agent takes five or six of them, and 1024 is what most systems give. Not to the hard limit,
    which may be a billion: there are programs that close every number up to it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(_ENOUGH_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        with suppress(OSError, ValueError):  # macOS has a third limit that getrlimit does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def leave_files_spare() -> None:
    """Makes sure that ``SPARE_FILES`` more can be opened.

    Raises:
        OSError: They cannot (``EMFILE``).
    """
    lowest_free = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.close(lowest_free)
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft != resource.RLIM_INFINITY and lowest_free + SPARE_FILES > soft:
        raise OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)} (ulimit -n is {soft})")


def launch_failure(
    error: OSError | ValueError, argv: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> Failure:
    """What *error*, raised on starting *argv*, tells a person.

    Returns:
        ``not_installed`` if there is no such program, ``bad_invocation`` if this command can never
        work, ``crashed`` if the machine is short of something and another time it may.
    """
    name = _shown(argv[0])
    if not isinstance(error, OSError):
        return Failure("bad_invocation", f"{name} cannot be started: {error}")
    if not cwd.is_dir():
        return Failure("bad_invocation", f"the working directory {cwd} is no folder")
    if error.errno == errno.ENOENT:
        return _not_found(argv[0], cwd, env)
    if error.errno in _NOT_EXECUTABLE:
        return Failure("bad_invocation", f"{name} is not executable: {error.strerror}")
    if error.errno == errno.E2BIG:
        size_bytes = sum(len(os.fsencode(word)) for word in argv)
        return Failure("bad_invocation", f"{name}: {size_bytes} bytes of arguments are too many")
    return Failure("crashed", f"{name} cannot be started now: {error.strerror or error}")


def _shown(name: str) -> str:
    """*name* in quotes; what is too long to be a name is cut."""
    return repr(_cut(name))


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_SHOWN else f"{text[: _NAME_SHOWN - 1]}…"


def _not_found(name: str, cwd: Path, env: Mapping[str, str]) -> Failure:
    program, *words = name.split() or [name]
    if words and shutil.which(program, path=env.get("PATH", os.defpath)):
        separate = _cut(", ".join(f'"{word}"' for word in (program, *words)))
        return Failure("not_installed", f"{_shown(name)} is no program; separate words: {separate}")
    if os.sep not in name:
        return Failure("not_installed", f"{_shown(name)} was not found in PATH")
    if (cwd / name).exists():
        return Failure("bad_invocation", f"{_shown(name)} names an interpreter that does not exist")
    return Failure("not_installed", f"{_shown(name)} does not exist")


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
