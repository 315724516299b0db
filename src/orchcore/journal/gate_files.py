"""Whether accounts may be used now: one small file each, shared by all runs of this user.

A file is read without a lock, since it is replaced as a whole. It is changed under an flock that is
held for as long as a change takes, never while somebody waits; the kernel lets go of it if we die.
"""

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from orchcore.journal.private_files import replace_file


@dataclass(frozen=True, slots=True)
class Lease:
    """A turn that was let through while the account is tried out again.

    Attributes:
        id: Unique.
        pid: Of the process that runs it; one that is gone gives its leases back.
        until_boot: It is taken to be over then at the latest (seconds since boot).
    """

    id: str
    pid: int
    until_boot: float


@dataclass(frozen=True, slots=True)
class GateState:
    """What is known of one account.

    Attributes:
        account: Whose it is, for people who look into the file.
        boot_id: Changes with each start of the machine.
        closed_until_boot: Nothing starts before (seconds since boot); 0: it is open.
        closed_until_unix: The same in unix time, for after a start of the machine.
        closings: How often it closed without a success in between.
        generation: How often it closed at all.
        width: How many turns may run at once while it is tried out; 0: any number.
        leases: Those that do.
    """

    account: str = ""
    boot_id: str = ""
    closed_until_boot: float = 0.0
    closed_until_unix: float = 0.0
    closings: int = 0
    generation: int = 0
    width: int = 0
    leases: tuple[Lease, ...] = field(default=())


class Gates(Protocol):
    """Where states are kept."""

    def read(self, account: str) -> GateState:
        """What is known of *account* now."""
        ...

    def change(self, account: str, change: Callable[[GateState], GateState]) -> GateState:
        """Changes what is known of *account*, with nobody in between; gives what it is then."""
        ...


class MemoryGates:
    """Keeps them in this process: for accounts that are made up, and for tests."""

    def __init__(self) -> None:
        self._states: dict[str, GateState] = {}

    def read(self, account: str) -> GateState:
        """What is known of *account* now."""
        return self._states.get(account, GateState(account))

    def change(self, account: str, change: Callable[[GateState], GateState]) -> GateState:
        """Changes what is known of *account*."""
        self._states[account] = state = change(self.read(account))
        return state


_STATE = TypeAdapter(GateState)


class GateFiles:
    """Keeps them in *folder*, private. What cannot be read counts as open.

    What cannot be written is kept in this process: a limit holds at least for its own run.

    Args:
        folder: Made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unwritten: dict[str, GateState] = {}

    def read(self, account: str) -> GateState:
        """What is known of *account* now."""
        if account in self._unwritten:
            return self._unwritten[account]
        try:
            return _STATE.validate_json(self._path(account).read_bytes())
        except (OSError, ValidationError):
            return GateState(account)

    def change(self, account: str, change: Callable[[GateState], GateState]) -> GateState:
        """Changes what is known of *account*; returns when it is on disk."""
        path = self._path(account)
        with self._locked(path):
            state = change(self.read(account))
            self._unwritten[account] = state
            with suppress(OSError):
                replace_file(path, _STATE.dump_json(state))
                del self._unwritten[account]
        return state

    def _path(self, account: str) -> Path:
        return self._folder / f"{sha256(account.encode()).hexdigest()[:24]}.json"

    @contextmanager
    def _locked(self, path: Path) -> Generator[None]:
        descriptor = -1
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path.with_suffix(".lock"), flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if descriptor >= 0:
                os.close(descriptor)
