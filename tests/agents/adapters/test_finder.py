import subprocess
import sys
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from orchcore.agents.adapters.demo import DemoAdapter
from orchcore.agents.adapters.finder import find_adapters, installed
from orchcore.agents.adapters.text import TextAdapter
from orchcore.errors import UsageError

BUILT_IN = ["acp", "claude", "codex", "copilot", "demo", "gemini", "opencode", "text"]

GOOD = """
from dataclasses import dataclass
from orchcore.agents.adapters.text import TextAdapter

@dataclass(frozen=True)
class Mine(TextAdapter):
    @property
    def name(self): return {name!r}

def orchcore_adapters(): return [Mine()]
"""


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Maker":
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return Maker(tmp_path)


class Maker:
    """Installs a distribution with one module below a folder on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, source: str, attribute: str = "") -> Distribution:
        info = self.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        module = f"plugin_{name}"
        (info / "entry_points.txt").write_text(
            f"[orchcore.adapters]\n{name} = {module}{attribute}\n"
        )
        (self.folder / f"{module}.py").write_text(source)
        return PathDistribution(info)


def test_built_in_adapters_are_found() -> None:
    """The built-in adapters come first, under their own names."""
    found = find_adapters([])
    assert list(found) == BUILT_IN
    assert all(adapter.name == name for name, adapter in found.items())


def test_installed_distributions_are_looked_at() -> None:
    """Without an argument all installed distributions are asked."""
    assert set(find_adapters()) >= set(BUILT_IN)


def test_third_party_adapter_is_found(dist: Maker) -> None:
    """A distribution adds an adapter by an entry point and a function of a known name."""
    found = find_adapters([dist("alpha", GOOD.format(name="mine"))])
    assert list(found) == [*BUILT_IN, "mine"]


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("raising", "raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("missing", "import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
        ("hookless", "", "has no function orchcore_adapters()"),
        ("wrong", "def orchcore_adapters(): return [3]", "a int is no adapter: it has no name"),
        (
            "class",
            GOOD.format(name="mine").replace("Mine()", "Mine"),
            "is a class, not an adapter: give",
        ),
        ("notlist", "def orchcore_adapters(): return 3", "TypeError"),
        ("failing", "def orchcore_adapters(): return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_broken_plugin_names_its_distribution(
    dist: Maker, name: str, source: str, told: str
) -> None:
    """Whatever is wrong with a plug-in, the distribution that is to blame is named."""
    with pytest.raises(UsageError) as caught:
        find_adapters([dist(name, source)])
    assert caught.value.code == "broken-adapter"
    assert f"distribution {name!r}" in str(caught.value)
    assert told in str(caught.value)
    assert f"pip uninstall {name}" in caught.value.hint


def test_entry_point_that_names_the_function(dist: Maker) -> None:
    """What is written by habit is understood as a mistake, and which one."""
    with pytest.raises(UsageError, match="must name the module alone: 'plugin_alpha'"):
        find_adapters([dist("alpha", GOOD.format(name="mine"), attribute=":orchcore_adapters")])


def test_taken_name_is_refused(dist: Maker) -> None:
    """No plug-in replaces a built-in adapter or another plug-in's; all problems come at once."""
    dists = [
        dist("first", GOOD.format(name="mine")),
        dist("second", GOOD.format(name="mine")),
        dist("third", GOOD.format(name="claude")),
    ]
    with pytest.raises(UsageError) as caught:
        find_adapters(dists)
    assert [problem.code for problem in caught.value.problems] == ["adapter-name-taken"] * 2
    assert "which 'first' has" in str(caught.value)
    assert "which 'orchcore' has" in str(caught.value)


def test_program_is_looked_up_in_the_path_given(tmp_path: Path) -> None:
    """The child's PATH decides, not ours; an adapter without a program is not found."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert installed(TextAdapter(), str(tmp_path)) is None
    assert installed(TextAdapter(), str(tmp_path), program="tool") == tool
    assert installed(TextAdapter(), "/nowhere", program="tool") is None
    assert installed(DemoAdapter(), "") == Path(sys.executable)


def test_importing_the_finder_is_light() -> None:
    """Neither pluggy nor any adapter is loaded before it is asked for."""
    code = (
        "import sys, orchcore.agents.adapters.finder\n"
        "print([n for n in sys.modules if n == 'pluggy' or n.startswith('orchcore') and"
        " n.rpartition('.')[2] in ('claude', 'demo', 'gemini', 'text')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
