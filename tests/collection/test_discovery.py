"""Which orchfile the words of a command line mean."""

import stat
from pathlib import Path

import pytest

from orchcore.collection.discovery import Asked, find, search
from orchcore.errors import CollectionError, OrchcoreError, UsageError

TEXT = "from orchcore import phase\n\n@phase\nasync def hello() -> str: return 'hi'\n"


def _project(root: Path) -> Path:
    """A project root, so that no search leaves the test's folder."""
    (root / ".git").mkdir()
    return root


def _orchfile(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)
    return path


def test_it_is_found_from_a_folder_below(tmp_path: Path) -> None:
    """The nearest orchfile.py of the working directory or above is used."""
    file = _orchfile(_project(tmp_path) / "orchfile.py")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert search(deep) == file


def test_the_nearer_orchfile_wins(tmp_path: Path) -> None:
    """A package's own orchfile shadows the repository's."""
    _orchfile(_project(tmp_path) / "orchfile.py")
    nearer = _orchfile(tmp_path / "package" / "orchfile.py")
    assert search(tmp_path / "package") == nearer


def test_the_search_ends_at_the_repository(tmp_path: Path) -> None:
    """An orchfile above the repository's root is somebody else's."""
    _orchfile(tmp_path / "orchfile.py")
    (tmp_path / "repo").mkdir()
    inner = _project(tmp_path / "repo")
    with pytest.raises(CollectionError) as caught:
        search(inner)
    assert caught.value.code == "no-orchfile"
    assert "orchcore run PATH/orchfile.py" in caught.value.hint


def test_configuration_names_the_orchfile(tmp_path: Path) -> None:
    """[tool.orchcore] orchfile overrides the name orchfile.py beside it."""
    _orchfile(_project(tmp_path) / "orchfile.py")
    named = _orchfile(tmp_path / "ci" / "release.py")
    (tmp_path / "pyproject.toml").write_text('[tool.orchcore]\norchfile = "ci/release.py"\n')
    assert search(tmp_path) == named


def test_an_orchfile_nearer_than_the_configuration_wins(tmp_path: Path) -> None:
    """What a root's configuration names does not reach into a package with its own orchfile."""
    _project(tmp_path)
    (tmp_path / "orchcore.toml").write_text('orchfile = "release.py"\n')
    _orchfile(tmp_path / "release.py")
    own = _orchfile(tmp_path / "package" / "orchfile.py")
    assert search(tmp_path / "package") == own


def test_a_named_orchfile_that_is_missing_is_told(tmp_path: Path) -> None:
    """Configuration that points nowhere is an error, not a silent search."""
    (_project(tmp_path) / "orchcore.toml").write_text('orchfile = "gone.py"\n')
    with pytest.raises(CollectionError, match=r"gone\.py"):
        search(tmp_path)


def test_what_others_may_write_is_not_imported(tmp_path: Path) -> None:
    """An orchfile found by search must not be writable by others."""
    file = _orchfile(_project(tmp_path) / "orchfile.py")
    file.chmod(file.stat().st_mode | stat.S_IWOTH)
    with pytest.raises(UsageError) as caught:
        search(tmp_path)
    assert caught.value.code == "untrusted-file"


@pytest.mark.parametrize(
    ("target", "selectors"),
    [
        ("flows/other.py", ()),
        ("flows/other.py::hello", ("hello",)),
        ("flows/other.py::fix:src/a.py", ("fix:src/a.py",)),
        ("./flows/other.py", ()),
    ],
)
def test_a_path_names_the_file_and_maybe_a_phase(
    tmp_path: Path, target: str, selectors: tuple[str, ...]
) -> None:
    """``path.py`` and ``path.py::phase``."""
    file = _orchfile(_project(tmp_path) / "flows" / "other.py")
    asked = find((target,), None, tmp_path)
    assert (asked.orchfile, asked.selectors) == (file.resolve(), selectors)


@pytest.mark.parametrize("target", ["sub", "sub/", "./sub"])
def test_a_folder_that_holds_one(tmp_path: Path, target: str) -> None:
    """A folder stands for its orchfile.py."""
    file = _orchfile(_project(tmp_path) / "sub" / "orchfile.py")
    assert find((target,), None, tmp_path).orchfile == file.resolve()


def test_a_folder_without_one_may_be_the_name_of_a_phase(tmp_path: Path) -> None:
    """``orchcore run docs`` means the phase although there is a folder docs."""
    file = _orchfile(_project(tmp_path) / "orchfile.py")
    (tmp_path / "docs").mkdir()
    asked = find(("docs",), None, tmp_path)
    assert (asked.orchfile, asked.selectors) == (file, ("docs",))


@pytest.mark.parametrize("target", ["review", "review:codex", "fix:src/a.py", "+a", "audit_*"])
def test_what_is_no_path_selects(tmp_path: Path, target: str) -> None:
    """Ids, also those of instances that look like paths, are selectors."""
    _orchfile(_project(tmp_path) / "orchfile.py")
    assert find((target,), None, tmp_path).selectors == (target,)


def test_a_folder_without_one_is_told_if_there_is_none_at_all(tmp_path: Path) -> None:
    """What was named is what the error is about; without it, ``orchcore init`` is the way out."""
    (_project(tmp_path) / "docs").mkdir()
    (tmp_path / "docs" / "near.py").write_text("")
    with pytest.raises(CollectionError, match=r"docs holds no orchfile.py") as caught:
        find(("docs",), None, tmp_path)
    assert "near.py" in caught.value.hint
    with pytest.raises(CollectionError, match="orchcore init"):
        find((), None, tmp_path)


def test_an_empty_target_names_nothing(tmp_path: Path) -> None:
    """It does not select everything."""
    file = _orchfile(_project(tmp_path) / "orchfile.py")
    assert find(("",), None, tmp_path) == Asked(file, ("",))


def test_dash_f_names_the_file(tmp_path: Path) -> None:
    """``-f`` wins over search; targets select within it."""
    file = _orchfile(_project(tmp_path) / "x" / "y.py")
    asked = find(("hello",), "x/y.py", tmp_path / "x" / "..")
    assert (asked.orchfile, asked.selectors) == (file.resolve(), ("hello",))


def test_two_files_are_refused(tmp_path: Path) -> None:
    """A run has one orchfile."""
    _orchfile(_project(tmp_path) / "a.py")
    _orchfile(tmp_path / "b.py")
    with pytest.raises(UsageError) as caught:
        find(("b.py",), "a.py", tmp_path)
    assert caught.value.code == "two-orchfiles"


def test_the_same_file_twice_is_one(tmp_path: Path) -> None:
    """Two phases of one file may be named by path."""
    _orchfile(_project(tmp_path) / "a.py")
    assert find(("a.py::x", "./a.py::y"), "a.py", tmp_path).selectors == ("x", "y")


@pytest.mark.parametrize("target", ["missing.py", "missing/", "empty/"])
def test_a_path_that_holds_none_is_told(tmp_path: Path, target: str) -> None:
    """A named path is never replaced by a search."""
    _orchfile(_project(tmp_path) / "orchfile.py")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "near.py").write_text("")
    with pytest.raises(OrchcoreError) as caught:
        find((target,), None, tmp_path)
    assert caught.value.code == "no-orchfile"
    if target == "empty/":
        assert "near.py" in caught.value.hint


def test_a_folder_may_have_colons_in_its_name(tmp_path: Path) -> None:
    """What exists as it stands is a path, and what follows it selects."""
    file = _orchfile(_project(tmp_path) / "a::b" / "orchfile.py")
    assert find(("a::b",), None, tmp_path).orchfile == file
    asked = find(("a::b/orchfile.py::hello",), None, tmp_path)
    assert (asked.orchfile, asked.selectors) == (file, ("hello",))
