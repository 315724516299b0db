"""Importing an orchfile."""

import sys
from pathlib import Path

import pytest

from orchcore.collection.loading import load
from orchcore.errors import CollectionError, MarkerUsedError, OrchcoreError
from orchfiles import written


def _error(folder: Path, text: str) -> OrchcoreError:
    file = folder / "orchfile.py"
    file.write_text(text)
    with pytest.raises(OrchcoreError) as caught:
        load(file)
    assert not any(str(getattr(m, "__file__", "")) == str(file) for m in list(sys.modules.values()))
    return caught.value


def _line(error: OrchcoreError) -> int:
    assert error.where is not None
    return error.where.line


def test_the_module_has_a_private_unique_name(tmp_path: Path) -> None:
    """Two orchfiles of one name do not meet in sys.modules, and neither is ``orchfile``."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (load(written(tmp_path / x, "")) for x in "ab")
    assert one.__name__ != two.__name__
    assert one.__name__.startswith("_orchfile_")
    assert sys.modules[one.__name__] is one


def test_its_folder_is_importable_and_shadows_nothing(tmp_path: Path) -> None:
    """A sibling module can be imported; a sibling called json does not replace the library's."""
    (tmp_path / "beside_it_7.py").write_text("X = 7\n")
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('shadowed')\n")
    module = load(written(tmp_path, "import colorsys\nfrom beside_it_7 import X\n"))
    assert module.X == 7


def test_a_second_load_is_a_new_import(tmp_path: Path) -> None:
    """What changed on disk is seen, and nothing of the first import is reused."""
    file = written(tmp_path, "X = 1\n")
    first = load(file)
    file.write_text("X = 2_000\n")
    assert (first.X, load(file).X) == (1, 2_000)


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    """The line at fault and its text, without a traceback."""
    error = _error(tmp_path, "x = 1\ndef f(:\n    pass\n")
    assert (error.code, _line(error)) == ("syntax", 2)
    assert error.where is not None
    assert error.where.text == "def f(:"


def test_a_syntax_error_in_an_imported_file_is_that_files(tmp_path: Path) -> None:
    """The error names the file that is wrong."""
    (tmp_path / "broken_8.py").write_text("x = (\n")
    error = _error(tmp_path, "import broken_8\n")
    assert error.where is not None
    assert error.where.path.name == "broken_8.py"


def test_an_exception_during_import_has_its_line_and_way(tmp_path: Path) -> None:
    """The line that raised, and how it was reached."""
    (tmp_path / "deep_9.py").write_text("def go():\n    return 1 / 0\n")
    error = _error(tmp_path, "import deep_9\n\ndeep_9.go()\n")
    assert (error.code, _line(error)) == ("import-failed", 2)
    assert "ZeroDivisionError" in str(error)
    assert "via" in str(error)
    assert "orchfile.py:3" in str(error)


def test_a_missing_module_says_what_to_do(tmp_path: Path) -> None:
    """The help is to install it or to put it beside the orchfile."""
    error = _error(tmp_path, "import surely_not_there\n")
    assert error.code == "import-failed"
    assert "surely_not_there.py" in error.hint


@pytest.mark.parametrize("code", ["import sys\nsys.exit(3)\n", "raise SystemExit\n"])
def test_an_exit_during_import_does_not_end_the_program(tmp_path: Path, code: str) -> None:
    """A script's sys.exit is an error of the orchfile."""
    error = _error(tmp_path, code)
    assert error.code == "import-failed"
    assert "__main__" in error.hint


def test_an_interrupt_during_import_stays_one(tmp_path: Path) -> None:
    """^C while an orchfile is imported is ^C."""
    file = tmp_path / "orchfile.py"
    file.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load(file)


def test_files_that_import_each_other_are_told(tmp_path: Path) -> None:
    """A circular import ends in an error with its place."""
    (tmp_path / "circle_a.py").write_text("from circle_b import b\na = 1\n")
    (tmp_path / "circle_b.py").write_text("from circle_a import a\nb = 1\n")
    error = _error(tmp_path, "import circle_a\n")
    assert error.code == "import-failed"
    assert "circle_a" in str(error)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Something that is no Python source is an error, not a traceback."""
    error = _error(tmp_path, "x = '\0'\n")
    assert error.code == "syntax"
    (tmp_path / "orchfile.txt").write_text("")
    with pytest.raises(CollectionError, match=r"not a Python file"):
        load(tmp_path / "orchfile.txt")


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    """An import that fails outside any user code still has an error."""
    (tmp_path / "orchfile.py").mkdir()
    with pytest.raises(CollectionError, match="IsADirectoryError"):
        load(tmp_path / "orchfile.py")


@pytest.mark.parametrize(
    ("use", "advice"),
    [
        ("if use(plan): pass", "use(plan.pick(lambda v: ...))"),
        ("f'{use(plan)}'", "use(plan.pick(lambda v: ...))"),
        ("use(plan).steps", "use(plan.pick(lambda v: ...))"),
        ("len(maybe(plan))", "maybe(plan.pick(lambda v: ...))"),
        ("list(each([1, 2]))", "each([1, 2].pick"),
        ("str(param(1))", "take it as a parameter"),
        ("range(param(1))", "take it as a parameter"),
        ("float(param(1))", "take it as a parameter"),
        ("param(1) > 2", "take it as a parameter"),
        ("2 + param(1)", "take it as a parameter"),
        ("'a' in param('abc')", "take it as a parameter"),
        ("param([1], name='x')[0]", "take it as a parameter"),
    ],
)
def test_a_marker_used_as_a_value_raises_at_once(tmp_path: Path, use: str, advice: str) -> None:
    """An edge stands for a value that is not there yet: the error says what to write."""
    file = written(tmp_path, f"@phase\nasync def plan() -> list[int]: ...\n\n{use}\n")
    with pytest.raises(MarkerUsedError) as caught:
        load(file)
    assert caught.value.code == "edge-used-as-value"
    assert advice in caught.value.hint
    assert caught.value.where is not None
    assert caught.value.where.path == file


PHASE = "from orchcore import *\nimport asyncio\n@phase\nasync def a() -> int: return 1\n"


@pytest.mark.parametrize(
    "line", ["run_sync(a)", "asyncio.run(run(a))", "run_sync('a', orchfile='orchfile.py')"]
)
def test_nothing_runs_while_an_orchfile_is_read(tmp_path: Path, line: str) -> None:
    """Looking at an orchfile must not run it; the error has the line and the way out."""
    error = _error(tmp_path, f"{PHASE}{line}\n")
    assert (error.code, _line(error)) == ("run-at-import", 5)
    assert 'if __name__ == "__main__":' in error.hint
    guarded = tmp_path / "guarded.py"
    guarded.write_text(f'{PHASE}if __name__ == "__main__":\n    {line}\n')
    assert load(guarded).a


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"{PHASE}a()\n", 5, "phases are wired, not called"),
        (f"{PHASE}x = use(b)\n@phase\nasync def b() -> int: return 1\n", 5, "declare 'b' above"),
        (f"{PHASE}asyncio.run(command('true'))\n", 5, "in the body of a phase"),
        (f"{PHASE}x = use(nobody)\n", 5, ""),
        (f"{PHASE}x = use(a.session)\n", 5, "decorate it with @agent"),
        (
            f"{PHASE}@agent('demo', 'edit', 5)\nasync def b(ai: Agent): ...\n",
            5,
            "permission='edit'",
        ),
        (f"{PHASE}@phase('b')\nasync def b(): ...\n", 5, '@phase(timeout="5m")'),
    ],
)
def test_common_slips_have_their_line_and_a_hint(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    """A call, a name from below, a step or command outside a run, options without names."""
    error = _error(tmp_path, text)
    assert _line(error) == line
    assert said in error.hint
    assert bool(error.hint) is bool(said)


@pytest.mark.parametrize(
    ("text", "line"),
    [(b"# caf\xe9\n", 1), (b"\n\n\n# caf\xe9\nx = 1\n", 4), (b'\n\n\nx = "\xe9"\n', 4)],
)
def test_a_file_that_is_no_text_has_the_line(tmp_path: Path, text: bytes, line: int) -> None:
    """Also in a comment, where ``compile`` would cut the file short and say nothing."""
    file = tmp_path / "orchfile.py"
    file.write_bytes(text)
    with pytest.raises(CollectionError, match="0xe9 is no utf-8: save the file as UTF-8") as caught:
        load(file)
    assert (caught.value.code, _line(caught.value)) == ("syntax", line)
    file.write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\nx = '\xe9'\n")
    assert load(file).x == "é"
    file.write_bytes(b"# -*- coding: nonsense -*-\n")
    with pytest.raises(CollectionError, match="nonsense"):
        load(file)
