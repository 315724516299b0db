"""The project's folder: private, ours, never shared by accident."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.scenes import give_away, new_run, plain_user
from orchcore.errors import RecordingError, UsageError
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.origin import take_lock
from orchcore.journal.refusals import file_system, network_folder
from orchcore.journal.run_folder import RunFolder, folder_name

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def public_root() -> Iterator[Path]:
    """A folder that other users can reach."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield root
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)
    shutil.rmtree(root)


def test_it_is_private_and_ignores_itself(tmp_path: Path) -> None:
    """A new folder is 0700 and holds a .gitignore for everything."""
    folder = ProjectFolder.at(tmp_path)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"
    assert ProjectFolder.at(tmp_path) == folder


def test_an_opened_up_folder_is_closed_again(tmp_path: Path) -> None:
    """Rights of others on an existing folder are taken away."""
    ProjectFolder.at(tmp_path).path.chmod(0o777)
    assert ProjectFolder.at(tmp_path).path.stat().st_mode & 0o777 == 0o700


def test_a_symlinked_folder_is_refused(tmp_path: Path) -> None:
    """A link is not followed, whether its target exists or not, and the hint removes it."""
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    root.mkdir()
    (root / ".orchcore").symlink_to(elsewhere)
    for _ in ("dangling", "alive"):
        with pytest.raises(RecordingError, match="symbolic link") as caught:
            ProjectFolder.at(root)
        assert caught.value.code == "folder-symlink"
        assert caught.value.hint.startswith("remove the link: rm ")
        elsewhere.mkdir(exist_ok=True)
    assert not list(elsewhere.iterdir())


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    """A file is not overwritten."""
    (tmp_path / ".orchcore").write_text("mine")
    with pytest.raises(RecordingError, match="in the way"):
        ProjectFolder.at(tmp_path)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a folder away")
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    """Runs are not recorded where another user can read and change them."""
    give_away(ProjectFolder.at(tmp_path).path)
    with pytest.raises(RecordingError, match="belongs to another user") as caught:
        ProjectFolder.at(tmp_path)
    assert caught.value.code == "folder-foreign"


@pytest.mark.parametrize("existing", [True, False])
def test_a_read_only_place_is_refused(public_root: Path, existing: bool) -> None:
    """Neither an existing read-only folder nor a read-only root starts a run."""
    if existing:
        ProjectFolder.at(public_root).path.chmod(0o500)
    else:
        public_root.chmod(0o555)
    give_away(public_root)
    code = (
        "try: ProjectFolder.at(Path(sys.argv[1]))\n"
        "except OrchcoreError as error: print(error.code, '|', error.hint)"
    )
    told = plain_user(code, str(public_root))
    expected = "folder-read-only | make it writable: chmod" if existing else "folder-unmakeable"
    assert told.stdout.startswith(expected), told


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
@pytest.mark.parametrize("version", [2, 3])
def test_a_tracked_folder_is_refused(tmp_path: Path, version: int) -> None:
    """Files in git's index are found without starting git; the hint untracks them."""
    root = tmp_path / "sub"
    root.mkdir()
    folder = ProjectFolder.at(root)
    (folder.path / "oops").write_text("x")

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("add", "-f", "sub/.orchcore/oops")
    if version == 3:
        git("update-index", "--skip-worktree", "sub/.orchcore/oops")
    with pytest.raises(RecordingError) as caught:
        ProjectFolder.at(root)
    assert caught.value.code == "folder-tracked"
    git("update-index", "--force-remove", "sub/.orchcore/oops")
    assert ProjectFolder.at(root) == folder


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_another_tracked_folder_of_that_name_is_no_reason(tmp_path: Path) -> None:
    """``other/.orchcore/x`` in the index says nothing about ``.orchcore``."""
    (tmp_path / "other/.orchcore").mkdir(parents=True)
    (tmp_path / "other/.orchcore/x").write_text("x")
    for words in (["init", "-q"], ["add", "-f", "other/.orchcore/x"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    assert ProjectFolder.at(tmp_path).path.is_dir()


def test_a_network_file_system_is_refused(tmp_path: Path) -> None:
    """The type decides; a local one is fine."""
    problem = network_folder(tmp_path, "nfs4")
    assert problem is not None
    assert problem.code == "folder-network"
    assert problem.hints
    assert network_folder(tmp_path, file_system(tmp_path)) is None


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_the_file_system_of_the_innermost_mount_counts() -> None:
    """``/proc/self`` lies on proc, not on what ``/`` is."""
    assert file_system(Path("/proc/self")) == "proc"


def test_many_runs_at_once_never_share_a_folder(tmp_path: Path) -> None:
    """Ids are unique, short and hexadecimal, also when they are made at the same time."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(new_run, [tmp_path] * 120))
    ids = {folder.id for folder in folders}
    assert len(ids) == 120
    assert all(len(run_id) >= 4 and int(run_id, 16) >= 0 for run_id in ids)


def test_a_taken_id_grows(tmp_path: Path) -> None:
    """With the same random digits a later run gets more of them."""
    project = ProjectFolder.at(tmp_path)
    made = [project.new_run(lambda size: "0123456789abcdef"[: size * 2]).id for _ in range(3)]
    assert made == ["0123", "01234", "012345"]


def test_a_run_is_found_by_prefix_or_as_the_latest(tmp_path: Path) -> None:
    """A unique prefix is enough; the latest is the one started or resumed last."""
    project = ProjectFolder.at(tmp_path)
    ids = iter(["abcd" * 4, "abff" * 4, "1234" * 4])
    first, second, third = (project.new_run(lambda _: next(ids)) for _ in range(3))
    for n, folder in enumerate((third, first, second)):
        os.close(take_lock(folder.lock))
        os.utime(folder.lock, (n, n))
    assert project.find_run("abc") == first
    assert project.find_run("abff") == second
    assert project.find_run("latest") == second
    assert [folder.id for folder in project.run_folders()] == ["abff", "abcd", "1234"]
    with pytest.raises(UsageError, match="not unique: abff, abcd"):
        project.find_run("ab")
    with pytest.raises(UsageError, match="no run 'abce'") as caught:
        project.find_run("abce")
    assert caught.value.hint == "did you mean 'abcd'?"
    with pytest.raises(UsageError):
        project.find_run("")


def test_a_project_without_runs_has_none(tmp_path: Path) -> None:
    """Looking for runs makes no folder."""
    project = ProjectFolder.seen(tmp_path)
    assert project.run_folders() == ()
    with pytest.raises(UsageError, match="nothing has been run"):
        project.find_run("latest")
    assert not list(tmp_path.iterdir())


def test_folders_of_a_run_are_private(tmp_path: Path) -> None:
    """Every level of a turn's folder, the sessions and the artifacts are 0700."""
    run = new_run(tmp_path)
    turn = run.turn_folder("review:codex", 1, 2)
    assert turn == run.path / "review:codex" / "attempt-1" / "turn-2"
    for made in (turn, turn.parent, turn.parent.parent, run.sessions, run.artifacts("plan")):
        assert made.stat().st_mode & 0o777 == 0o700
    assert run.turn_folder("review:codex", 1, 2) == turn


@given(st.text(max_size=300))
def test_any_id_becomes_a_name_below_the_runs_folder(node_id: str) -> None:
    """No name climbs, hides, nests, is too long or is one of the run's own files."""
    name = folder_name(node_id)
    assert name
    assert len(name) <= 117
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith((".", "journal.db"))
    assert name not in {"lock", "sessions"}


@given(st.lists(st.text(st.sampled_from("a.%/~:é\ud800"), max_size=120), unique=True, max_size=8))
def test_different_ids_have_different_names(ids: list[str]) -> None:
    """Encoding and cutting never make two ids one."""
    assert len({folder_name(node_id) for node_id in ids}) == len(ids)


def test_reserved_names_are_not_a_nodes(tmp_path: Path) -> None:
    """A phase may be called like a file of the run."""
    run = RunFolder("abcd", tmp_path)
    for node_id in ("lock", "sessions", "journal.db", "journal.db-wal", "..", "."):
        assert run.node_folder(node_id) not in (run.lock, run.journal, tmp_path / "sessions")
        assert run.turn_folder(node_id, 1, 1).is_relative_to(tmp_path)
    run.sessions.joinpath("x").write_text("x")


def test_what_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file where a folder is to be: an error with a hint, for runs and for turns."""
    project = ProjectFolder.at(tmp_path)
    run = project.new_run()
    (run.path / "plan").write_text("x")
    with pytest.raises(RecordingError, match="plan cannot be made") as caught:
        run.turn_folder("plan", 1, 1)
    assert caught.value.code == "folder-unmakeable"
    shutil.rmtree(project.path / "runs")
    (project.path / "runs").write_text("x")
    with pytest.raises(RecordingError, match="runs cannot be made"):
        project.new_run()
    with pytest.raises(UsageError, match="cannot be read"):
        project.run_folders()


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_a_worktrees_index_is_found(tmp_path: Path) -> None:
    """In a linked worktree ``.git`` is a file that leads to the index."""
    main, linked = tmp_path / "main", tmp_path / "linked"

    def git(place: Path, *words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=place, check=True, capture_output=True)

    main.mkdir()
    git(main, "init", "-q")
    git(main, "commit", "-q", "--allow-empty", "-m", "start")
    git(main, "worktree", "add", "-q", str(linked))
    folder = ProjectFolder.at(linked)
    (folder.path / "oops").write_text("x")
    git(linked, "add", "-f", ".orchcore/oops")
    with pytest.raises(RecordingError, match="tracked by git"):
        ProjectFolder.at(linked)


def test_a_repository_without_an_index_tracks_nothing(tmp_path: Path) -> None:
    """A fresh ``git init``, or an index that is none, is no reason to refuse."""
    (tmp_path / ".git").mkdir()
    ProjectFolder.at(tmp_path)
    (tmp_path / ".git" / "index").write_bytes(b"no index, but long enough: .orchcore/\0")
    ProjectFolder.at(tmp_path)


def test_a_symlinked_folder_of_runs_is_refused(tmp_path: Path) -> None:
    """As the folder around it: whoever plants a link does not choose where answers go."""
    project, elsewhere = ProjectFolder.at(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project.path / "runs").symlink_to(elsewhere)
    with pytest.raises(RecordingError, match="symbolic link") as caught:
        project.new_run()
    assert caught.value.code == "folder-symlink"
    assert not list(elsewhere.iterdir())
