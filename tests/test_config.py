"""Settings: where they come from, which wins, and what is refused."""

import sys
from pathlib import Path

import pytest

from orchcore.config import Config, PriceSettings, load_config
from orchcore.errors import UsageError

FILE = """\
default_agent = "demo"
jobs = 4

[agents.fast]
adapter = "claude"
model = "haiku"
args = ["--one"]
prices = { input = 1, output = 5.5 }

[agents.slow]
adapter = "claude"
model = "opus"

[profiles.ci]
jobs = 2

[profiles.ci.agents.slow]
model = "sonnet"
hermetic = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "orchcore.toml").write_text(FILE)
    return tmp_path


def test_a_profile_replaces_key_by_key(folder: Path) -> None:
    """What the profile does not say stays as the file says it."""
    plain, ci = load_config(folder), load_config(folder, "ci")
    assert (plain.jobs, ci.jobs) == (4, 2)
    slow = ci.settings.agents["slow"]
    assert (slow.adapter, slow.model, slow.hermetic) == ("claude", "sonnet", True)
    assert ci.settings.agents["fast"] == plain.settings.agents["fast"]
    assert plain.settings.agents["fast"].prices == PriceSettings(input=1, output=5.5)


def test_a_variable_chooses_the_profile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``ORCHCORE_PROFILE`` is what ``--profile`` is, and weaker."""
    monkeypatch.setenv("ORCHCORE_PROFILE", "ci")
    assert load_config(folder).profile == "ci"
    monkeypatch.setenv("ORCHCORE_PROFILE", "none")
    assert load_config(folder, "ci").jobs == 2


def test_variables_win_over_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested keys are told with two underscores, lists and tables as JSON."""
    monkeypatch.setenv("ORCHCORE_JOBS", "7")
    monkeypatch.setenv("ORCHCORE_AGENTS__FAST__ARGS", '["--two", "x y"]')
    monkeypatch.setenv("ORCHCORE_AGENTS__FAST__ENV", '{"A": "b"}')
    monkeypatch.setenv("ORCHCORE_AGENTS__NEW__IDLE", "2m")
    config = load_config(folder, "ci")
    assert config.jobs == 7
    fast = config.settings.agents["fast"]
    assert (fast.args, fast.env, fast.model) == (("--two", "x y"), {"A": "b"}, "haiku")
    assert config.settings.agents["new"].idle == 120.0


def test_prices_may_be_told_as_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every table; what is wrong in it is told of the variable."""
    monkeypatch.setenv("ORCHCORE_AGENTS__SLOW__PRICES", '{"input": 1, "output": 2}')
    prices = load_config(folder).settings.agents["slow"].prices
    assert prices == PriceSettings(input=1, output=2)
    monkeypatch.setenv("ORCHCORE_AGENTS__SLOW__PRICES", '{"input": 1}')
    with pytest.raises(UsageError, match="'ORCHCORE_AGENTS__SLOW__PRICES__OUTPUT'") as caught:
        load_config(folder)
    assert caught.value.problems[0].where is None


def test_agents_that_are_no_json_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variable's name and without its value, which may hold a secret."""
    monkeypatch.setenv("ORCHCORE_AGENTS", "{bad")
    with pytest.raises(UsageError, match="'ORCHCORE_AGENTS': no JSON") as caught:
        load_config(tmp_path)
    assert caught.value.code == "configuration"
    assert "bad" not in str(caught.value)


def test_variables_for_one_variable_of_env_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name would reach the agent in lower case; as JSON it keeps its case."""
    monkeypatch.setenv("ORCHCORE_AGENTS__FAST__ENV__API__KEY", "secret")
    with pytest.raises(UsageError, match="in which case to write 'API__KEY'") as caught:
        load_config(folder)
    assert caught.value.hint == """ORCHCORE_AGENTS__FAST__ENV='{"API__KEY": "..."}'"""
    assert "secret" not in str(caught.value)


def test_variables_find_agents_whatever_their_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``QUICK`` is the file's or a profile's ``Quick``; one of exactly that name comes first."""
    (tmp_path / "orchcore.toml").write_text(
        "[agents.Quick]\nadapter = 'claude'\n[profiles.ci.agents.Late]\nmodel = 'a'\n"
        "[agents.Both]\n[agents.both]\n"
    )
    for name in ("QUICK", "LATE", "BOTH"):
        monkeypatch.setenv(f"ORCHCORE_AGENTS__{name}__MODEL", "m")
    config = load_config(tmp_path, "ci")
    told = {name: one.model for name, one in config.settings.agents.items()}
    assert told == {"Quick": "m", "Late": "m", "Both": None, "both": "m"}
    assert config.origin("agents", "Quick", "model") == "ORCHCORE_AGENTS__QUICK__MODEL"


def test_each_value_knows_its_origin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of its own table, the profile's, the variable, or nothing."""
    monkeypatch.setenv("ORCHCORE_DEFAULT_AGENT", "fast")
    config = load_config(folder, "ci")
    assert config.origin("agents", "fast", "model").endswith("orchcore.toml:6")
    assert config.origin("agents", "slow", "model").endswith("orchcore.toml:18")
    assert config.origin("agents", "slow", "adapter").endswith("orchcore.toml:11")
    assert config.origin("default_agent") == "ORCHCORE_DEFAULT_AGENT"
    assert config.origin("agents", "fast", "idle") == "default"
    assert Config().origin("jobs") == "default"


def test_in_pyproject_the_table_is_found(tmp_path: Path) -> None:
    """``[tool.orchcore]`` and its own tables; the line is that of the file."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.other]\njobs = 1\n[tool.orchcore]\njobs = 3\n[tool.orchcore.agents."a"]\nmodel = "m"\n'
    )
    config = load_config(tmp_path)
    assert config.jobs == 3
    assert config.origin("jobs").endswith("pyproject.toml:4")
    assert config.origin("agents", "a", "model").endswith("pyproject.toml:6")


@pytest.mark.parametrize(
    ("text", "key", "line", "hint"),
    [
        ("jbos = 2", "jbos", 1, "did you mean 'jobs'?"),
        ('[agents.a]\nmodle = "x"', "agents.a.modle", 2, "did you mean 'model'?"),
        ("[profiles.ci]\njob = 1", "profiles.ci.job", 2, "did you mean 'jobs'?"),
        (
            "[profiles.ci.agents.a]\nadaptor = 'x'",
            "profiles.ci.agents.a.adaptor",
            2,
            "did you mean 'adapter'?",
        ),
        (
            "[agents.a.prices]\ninput=1\noutput=1\ncached=2",
            "agents.a.prices.cached",
            4,
            "did you mean 'cached_input'?",
        ),
    ],
)
def test_unknown_keys_are_refused(
    tmp_path: Path, text: str, key: str, line: int, hint: str
) -> None:
    """With the line and the key that was meant, in every table."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "orchcore.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path)
    (problem,) = caught.value.problems
    assert problem.message == f"unknown key '{key}'"
    assert problem.where is not None
    assert problem.where.line == line
    assert problem.hints[0].startswith(hint.removesuffix("?"))


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[tool]\norchcore = "x"', 2, "'tool.orchcore' must be a table"),
        ("\ntool = 3", 2, "'tool' must be a table"),
        ("tool =", 1, "Invalid value"),
    ],
)
def test_what_is_no_table_has_a_place(tmp_path: Path, text: str, line: int, told: str) -> None:
    """A ``pyproject.toml`` that cannot be used is refused with its line; first, if not safe."""
    (tmp_path / ".git").mkdir()
    file = tmp_path / "pyproject.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=told) as caught:
        load_config(tmp_path)
    assert caught.value.code == "configuration"
    assert str(caught.value.problems[0].where).endswith(f"pyproject.toml:{line}")
    file.chmod(0o666)
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path)
    assert caught.value.code == "untrusted-file"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that nobody can read")
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """As a problem with its place."""
    (tmp_path / "orchcore.toml").symlink_to("/proc/self/mem")
    with pytest.raises(UsageError) as caught:
        load_config(tmp_path)
    assert caught.value.code == "configuration"
    assert str(caught.value.problems[0].where).endswith("orchcore.toml:1")


def test_wrong_values_are_all_told_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files with their line, of variables with their name."""
    (folder / "orchcore.toml").write_text('jobs = 0\n[agents.a]\nidle = "soon"\n')
    monkeypatch.setenv("ORCHCORE_AGENTS__A__MAX_PARALLEL", "many")
    with pytest.raises(UsageError) as caught:
        load_config(folder)
    told = {problem.message.partition(":")[0]: problem.where for problem in caught.value.problems}
    assert set(told) == {"'jobs'", "'agents.a.idle'", "'ORCHCORE_AGENTS__A__MAX_PARALLEL'"}
    assert told["'ORCHCORE_AGENTS__A__MAX_PARALLEL'"] is None


def test_a_slip_in_a_variable_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nearly a setting is a mistake; what is not is somebody else's."""
    monkeypatch.setenv("ORCHCORE_SOMETHING_ELSE", "1")
    load_config(folder)
    monkeypatch.setenv("ORCHCORE_JOBBS", "1")
    with pytest.raises(UsageError, match="no setting is called ORCHCORE_JOBBS") as caught:
        load_config(folder)
    assert caught.value.hint == "did you mean 'jobs'?"


@pytest.mark.parametrize("written", [FILE, None])
def test_an_unknown_profile_is_refused(tmp_path: Path, written: str | None) -> None:
    """With those that there are."""
    (tmp_path / ".git").mkdir()
    if written is not None:
        (tmp_path / "orchcore.toml").write_text(written)
    with pytest.raises(UsageError, match="no profile is called 'cii'") as caught:
        load_config(tmp_path, "cii")
    assert caught.value.code == "unknown-profile"
    known = "did you mean 'ci'?" if written else "[tool.orchcore.profiles.cii]"
    assert caught.value.hint == known


def test_a_relative_program_is_below_the_file(folder: Path) -> None:
    """Wherever it is run from; a bare name is looked up in PATH."""
    (folder / "orchcore.toml").write_text(
        '[agents.a]\nprogram = "./bin/tool"\n[agents.b]\nargv = ["bin/tool", "./x"]\n'
        '[agents.c]\nprogram = "tool"\n[agents.d]\nprogram = "/opt/tool"\n'
    )
    (folder / "sub").mkdir()
    config = load_config(folder / "sub")
    assert config.agent("a").program == str(folder / "bin" / "tool")
    assert config.agent("b").argv == (str(folder / "bin" / "tool"), "./x")
    assert [config.agent(name).program for name in "cdx"] == ["tool", "/opt/tool", None]
