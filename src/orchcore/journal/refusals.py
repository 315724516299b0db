"""Why a project's ``.orchcore`` folder may not be used.

Every check gives a ``Problem`` or ``None`` and changes nothing. They look at the folder itself
and never follow it: whoever can plant a link there must not choose where answers are written.
"""

import mmap
import os
import stat
from pathlib import Path

from orchcore.errors import Problem, shell_word, shown_path

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "davfs",
        "fuse.davfs2", "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "lustre", "gpfs",
        "beegfs", "orangefs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone",
    }
)  # fmt: skip
"""Types on which locks or shared memory of several machines cannot be trusted.

9p and virtiofs are not among them: they are the shared folders of a local virtual machine, with
one kernel on this side. Where such a mount has no shared memory, opening the journal says so.
"""

_INDEX_LIMIT_BYTES = 64 * 2**20


def unsafe_folder(folder: Path) -> Problem | None:
    """Why the existing *folder* is not ours to write to: a link, a file, someone else's."""
    name = shown_path(folder)
    away = f"mv {shell_word(name)} {shell_word(f'{name}.old')}"
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        return Problem(
            "folder-symlink",
            f"{name} is a symbolic link; runs are recorded in a real folder only",
            hints=(f"remove the link: rm {shell_word(name)}",),
        )
    if not stat.S_ISDIR(found.st_mode):
        return Problem(
            "folder-not-a-folder",
            f"{name} is in the way: it is not a folder",
            hints=(f"move it away: {away}",),
        )
    if found.st_uid != os.geteuid():
        return Problem(
            "folder-foreign",
            f"{name} belongs to another user (uid {found.st_uid}, you are {os.geteuid()})",
            hints=(f"run as its owner, or move it away: {away}",),
        )
    return None


def unwritable_folder(folder: Path) -> Problem | None:
    """Why nothing can be created in the existing *folder*."""
    if os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return None
    return Problem(
        "folder-read-only",
        f"{shown_path(folder)} is not writable, so the run could not be recorded",
        hints=(f"make it writable: chmod u+wx {shell_word(shown_path(folder))}",),
    )


def network_folder(folder: Path, kind: str) -> Problem | None:
    """Why SQLite must not be trusted on *folder*'s file system, if it is another machine's.

    Args:
        folder: The folder.
        kind: Its ``file_system``.
    """
    if kind not in NETWORK_FILE_SYSTEMS:
        return None
    return Problem(
        "folder-network",
        f"{shown_path(folder)} lies on a network file system ({kind}), where a journal gets lost",
        hints=("copy the project to a local disk and run it there",),
    )


def file_system(folder: Path) -> str:
    """The type of the file system that holds *folder*: ``ext4``, ``nfs4``; empty if unknown."""
    import psutil

    place = folder.resolve()
    found, depth = "", -1
    for mount in psutil.disk_partitions(all=True):
        point = Path(mount.mountpoint)
        # The last mount on the same point hides those before it (autofs below nfs).
        if len(point.parts) >= depth and place.is_relative_to(point):
            found, depth = mount.fstype, len(point.parts)
    return found


def tracked_folder(folder: Path) -> Problem | None:
    """Why *folder* would leak into commits: files of it are in git's index.

    The index is searched directly, because starting ``git ls-files`` takes longer than all the
    rest of a run's start. Nothing is said about an index of version 4 (its names are
    compressed) or above 64 MiB.
    """
    repository = next((up for up in folder.parents if (up / ".git").exists()), None)
    if repository is None:
        return None
    prefix = os.fsencode(folder.relative_to(repository)) + b"/"
    if not _in_index(_git_folder(repository) / "index", prefix):
        return None
    name = shown_path(folder)
    return Problem(
        "folder-tracked",
        f"{name} is tracked by git; it holds private transcripts and changes with every run",
        hints=(f"untrack it, the files stay: git rm -r -q --cached {shell_word(name)}",),
    )


def _git_folder(repository: Path) -> Path:
    entry = repository / ".git"
    if entry.is_dir():
        return entry
    # A worktree or submodule: "gitdir: <path>", relative to the file's own folder.
    told = entry.read_text(encoding="utf-8", errors="surrogateescape").partition(":")[2].strip()
    return repository / told


def _in_index(index: Path, prefix: bytes) -> bool:
    try:
        with index.open("rb") as file:
            if not 12 < os.fstat(file.fileno()).st_size <= _INDEX_LIMIT_BYTES:
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return data[:4] == b"DIRC" and _has_name(data, prefix)
    except OSError:
        return False


def _has_name(data: mmap.mmap, prefix: bytes) -> bool:
    """Whether an entry's name starts with *prefix* (index versions 2 and 3).

    A name follows two bytes whose low 12 bits are its length (two more of flags may stand
    between, in version 3), and ends with a NUL: that tells ``.orchcore/x`` from the middle of
    ``sub/.orchcore/x``.
    """
    at = data.find(prefix)
    while at != -1:
        length = min(data.find(b"\0", at) - at, 0xFFF)
        if length in {int.from_bytes(data[at - n : at - n + 2]) & 0xFFF for n in (2, 4)}:
            return True
        at = data.find(prefix, at + 1)
    return False
