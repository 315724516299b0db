"""Every small example runs as its first lines say, and does what it is there to show."""

import re
import subprocess
from pathlib import Path

import pytest

from examples.copies import EXAMPLES, copied, run_example


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of all examples: each has a folder of its own."""
    return copied(tmp_path_factory.mktemp("small"))


def passed(target: Path, *options: str) -> str:
    """What a run of *target* shows; it passed, and says that its agents are simulated."""
    done = run_example(target, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED" in done.stdout
    return done.stdout


def printed(shown: str) -> list[str]:
    """What the bodies printed, line by line."""
    return re.findall(r"^ +\S+  │ \S+ *  (.*)$", shown, re.MULTILINE)


def test_sequence(examples: Path) -> None:
    """Three phases follow one another, the second with the first one's typed answer."""
    shown = passed(examples / "sequence", "--topic", "umbrellas")
    assert re.search(r"✔ outline .*Outline\(title=", shown)
    assert shown.index("✔ outline") < shown.index("✔ draft") < shown.index("✔ length")
    assert re.search(r"✔ length +\S+ +\d+\n", shown)


def test_fan_out(examples: Path) -> None:
    """Each configured agent is asked, and its answer is told under its name."""
    shown = passed(examples / "fan_out")
    assert "✔ opinion:strict" in shown
    assert "✔ opinion:friendly" in shown
    assert any(re.match("strict: (yes|no), ", line) for line in printed(shown))


def test_fan_out_over_agents_of_the_command_line(examples: Path) -> None:
    """``--reviewer``, repeated, names other agents: one instance for each."""
    shown = passed(examples / "fan_out", *(f"--reviewer={name}" for name in ("ann", "bob", "cid")))
    assert [line.partition(":")[0] for line in printed(shown)] == ["ann", "bob", "cid"]


def test_dynamic_map(examples: Path) -> None:
    """There are as many instances as the plan has tasks, named by their ids."""
    shown = passed(examples / "dynamic_map")
    (tasks,) = re.findall(r"Plan\(tasks=(\d+)\)", shown)
    instances = set(re.findall(r"✔ (work:\S+)", shown))
    assert len(instances) == int(tasks) >= 2


def test_per_item(examples: Path) -> None:
    """Each file's real first line is read, and goes on to an instance of the same name."""
    shown = passed(examples / "per_item")
    first = (EXAMPLES / "approval" / "orchfile.py").read_text("utf-8").partition("\n")[0]
    lines = printed(shown)
    assert lines[lines.index(first) + 1].lstrip().startswith("-> [simulated]")
    read, written = (
        set(re.findall(rf"✔ {phase}:(\S+)", shown)) for phase in ("first_line", "rewrite")
    )
    assert read == written
    assert len(read) == 5


@pytest.mark.parametrize(
    ("text", "taken", "left"),
    [("fix a typo", "quick", "careful"), ("rewrite the login and all", "careful", "quick")],
)
def test_condition(examples: Path, text: str, taken: str, left: str) -> None:
    """One branch runs and the other is skipped, as the text is long or short."""
    shown = passed(examples / "condition", "--text", text)
    assert f"✔ {taken}" in shown
    assert f"⊘ {left}" in shown
    assert "✔ answer" in shown


def test_condition_by_option(examples: Path) -> None:
    """``--no-notes`` skips the note, and what takes it with ``maybe`` runs without."""
    done = run_example(examples / "condition", "--text", "fix a typo", "--no-notes")
    assert done.returncode == 0
    assert "⊘ notes" in done.stdout
    assert "just do it: fix a typo (without a note)" in done.stdout


def test_until_green(examples: Path) -> None:
    """The loop ends with a name that git takes, though it began with one that git refuses."""
    shown = passed(examples / "until_green")
    (name,) = re.findall(r"✔ branch .* (\S+) \(simulated\)\n", shown)
    subprocess.run(["git", "check-ref-format", "--branch", name], check=True, capture_output=True)


def test_until_green_at_once(examples: Path) -> None:
    """Where the check is green from the start, no agent is asked."""
    done = run_example(examples / "until_green", "--wish", "fine/name")
    assert done.returncode == 0
    assert "fine/name" in done.stdout
    assert "SIMULATED" not in done.stdout


def test_until_green_gives_up(examples: Path) -> None:
    """A loop that does not end in green fails, and says after how many rounds."""
    done = run_example(examples / "until_green", "--rounds", "0")
    assert done.returncode == 1
    assert "no valid name in 0 rounds" in done.stdout


def test_debate(examples: Path) -> None:
    """Two conversations go on for the rounds asked for, and a winner is named."""
    shown = passed(examples / "debate", "--rounds", "1")
    assert re.search(r"✔ debate .* 3 items", shown)
    assert re.search(r"Verdict\(winner='(pro|contra)'", shown)


def test_best_of(examples: Path) -> None:
    """Three copies try at once, and one of their three answers is taken."""
    shown = passed(examples / "best_of")
    answers = dict(re.findall(r"✔ (attempt:\d|best) .*?(\[simulated\].*) \(simulated\)", shown))
    best = answers.pop("best")
    assert sorted(answers) == ["attempt:1", "attempt:2", "attempt:3"]
    assert best in answers.values()


def test_resource(examples: Path) -> None:
    """The database is filled by one phase, read by another, and closed at the end."""
    shown = passed(examples / "resource", "--products", "2")
    assert re.search(r"✔ count +\S+ +2\n", shown)
    assert shown.count("the database is closed") == 1


def test_approval(examples: Path) -> None:
    """The plan and each of its steps are asked for, and said yes to."""
    shown = passed(examples / "approval", "--yes")
    (steps,) = re.findall(r"Go on with these (\d+) steps\?", shown)
    assert len(re.findall(r"asks: Do '", shown)) == int(steps)
    assert f"{steps} of {steps} steps done" in shown


def test_approval_pauses(examples: Path) -> None:
    """Without a terminal and ``--yes`` the run pauses at the first question, with exit code 10."""
    done = run_example(examples / "approval")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "do:" not in done.stdout


def test_shared_package(examples: Path) -> None:
    """Two orchfiles use the same steps: one in a body, one as phases of its own."""
    letter = passed(examples / "shared_package" / "letter.py")
    assert re.search(r"✔ letters .* 2 items", letter)
    poem = passed(examples / "shared_package" / "poem.py")
    for node in ("versions:sad", "versions:funny", "words:sad", "words:funny"):
        assert f"✔ {node}" in poem


def test_none_is_forgotten() -> None:
    """Each example has a test of its name, and tells the command that runs it."""
    tests = Path(__file__).read_text("utf-8")
    for orchfile in EXAMPLES.glob("*/*.py"):
        folder = orchfile.parent.name
        assert f"orchcore run examples/{folder}" in orchfile.read_text("utf-8")
        assert f"def test_{folder}(" in tests or folder == "quickstart"
