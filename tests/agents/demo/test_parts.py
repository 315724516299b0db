"""The parts of the demo agent, called in this process; test_demo_agent.py runs the whole."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchcore.agents.demo import sessions
from orchcore.agents.demo.directives import (
    Directive,
    Stop,
    directives_of,
    given_answer,
    obey,
    without_directives,
)
from orchcore.agents.demo.draw import Draw
from orchcore.agents.demo.looking import files_here, look_around
from orchcore.agents.demo.pattern import matching
from orchcore.agents.demo.prose import notable_words, prose_of
from orchcore.agents.demo.stream import Stream


class Said(Stream):
    """A stream that keeps what it would print."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.lines: list[dict[str, Any]] = []

    def _print(self, kind: str, **fields: Any) -> None:
        self.lines.append({"type": kind, **fields})


def test_directives_are_lines_of_their_own() -> None:
    """Only a line that begins with ``demo:`` is a directive: quoted or indented data is none."""
    prompt = "A demo: sleep 3\n demo: exit 3\ndemo: fail quota \ndemo:answer 3\nB"
    assert directives_of(prompt) == (Directive("fail", "quota"), Directive("answer", "3"))
    assert re.findall(r"\S+", without_directives(prompt)) == [
        "A",
        "demo:",
        "sleep",
        "3",
        "demo:",
        "exit",
        "3",
        "B",
    ]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [("demo: answer null", (None,)), ("demo: answer no json", ("no json",)), ("demo: sleep", None)],
)
def test_dictated_answer_is_read(prompt: str, answer: tuple[Any] | None) -> None:
    """JSON is read as JSON, anything else as text; null is an answer, too."""
    assert given_answer(directives_of(prompt)) == answer


def test_directives_are_obeyed_in_order() -> None:
    """Each directive acts on the stream until one of them ends the turn."""
    said = Said()
    with pytest.raises(Stop) as stopped:
        obey(directives_of("demo: sleep 0.01\ndemo: denied\ndemo: silent x\ndemo: exit 7"), said)
    assert stopped.value.exit_code == 7
    assert [line["type"] for line in said.lines] == ["thinking", "tool_start", "tool_end"]
    assert said.lines[-1]["denied"]


def test_failure_and_unknown_directive_end_the_turn() -> None:
    """Both end it with exit code 1 and a last line that says why."""
    for prompt, kind in (("demo: fail quota 3", "quota"), ("demo: dance", "bad_invocation")):
        said = Said()
        with pytest.raises(Stop) as stopped:
            obey(directives_of(prompt), said)
        assert stopped.value.exit_code == 1
        assert said.lines[-1]["failure"]["kind"] == kind


def test_session_is_kept_whole(tmp_path: Path) -> None:
    """A conversation is read back as it was written; broken files are no conversation."""
    folder = str(tmp_path / "deep" / "demo")
    session = sessions.Session("abc").asked("one").answered("two ü").asked("three")
    sessions.save(folder, session)
    loaded = sessions.load(folder, "abc")
    assert loaded is not None
    assert loaded.turns == (("one", "two ü"), ("three", ""))
    assert [path.name for path in Path(folder).iterdir()] == ["abc.json"]
    (Path(folder) / "bad.json").write_text('{"turns": 3}')
    assert sessions.load(folder, "bad") is None
    assert sessions.load(folder, "../demo/abc") is None
    with pytest.raises(ValueError, match="is not a session id"):
        sessions.save(folder, sessions.Session("../x"))


def test_it_looks_at_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are listed without hidden ones; one that the prompt names is read first."""
    for name in ("a.md", "b.py", ".hidden", "sub/c.txt", ".git/x.md", "_cache/y.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n2\n")
    monkeypatch.chdir(tmp_path)
    files = files_here()
    assert files == ["a.md", "b.py", "sub/c.txt"]
    assert files_here(limit=1) == ["a.md"]
    said = Said()
    look_around(said, files, ("b.py",), None, 2)
    ended = [line for line in said.lines if line["type"] == "tool_end"]
    assert [line["output"] for line in ended] == ["3 files", "2 lines"]
    assert [line["input"] for line in said.lines if line["type"] == "tool_start"] == [".", "b.py"]
    look_around(said, ["gone.md"], (), ["Read"], 9)
    assert said.lines[-1]["output"].startswith("cannot be read")


def test_stream_is_json_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Every line is one JSON object; the pieces of a text are the text."""
    stream = Stream(0.0)
    text = "a  b c d e f g h\u2028 i"
    stream.text(text)
    stream.result(text, None, {})
    printed = [json.loads(line) for line in io.BytesIO(capfdbinary.readouterr().out)]
    assert "".join(line["text"] for line in printed[:-1]) == text
    assert printed[-1]["ok"]


def test_notable_words_stand_out() -> None:
    """Frequent words come first, dull ones not at all; there are always at least three."""
    words = notable_words("Please fix the parser. The parser eats tokens, and the lexer too.")
    assert words[0] == "parser"
    assert {"tokens", "lexer"} <= set(words)
    assert "please" not in words
    assert notable_words("") == ("task", "result", "check")


def test_file_names_of_the_prompt_are_known() -> None:
    """File names in a prompt are paths, not words; addresses are neither."""
    prose = prose_of("Read src/app/main.py and see https://example.com/x.md", Draw("x"))
    assert prose.paths == ("src/app/main.py",)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d\d$",
        r"^(?P<q>['\"])\w+(?P=q)$",
        r"^[^abc]{3}.\.\S\D\W$",
        r"^(?:yes|no|maybe)$",
        r"^(?=.{8,}$)[a-z]+$",
        r"^a?b*c+?d{2,}$",
        r"[\x00-\x7f]+",
        r"^\s\S$",
        r"^(?>ab)++$",
        r"^[^x]y$",
        r"^[\w.+-]+@[\w-]+\.[a-z]{2,}$",
        r"",
    ],
)
def test_pattern_is_matched(pattern: str) -> None:
    """A text is found for patterns of every kind, look-aheads included."""
    text = matching(pattern, Draw("seed"), "place", (0, 50))
    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", ["(", r"^(?!)$", "a{9}"])
def test_pattern_without_a_text_gives_none(pattern: str) -> None:
    """What is no pattern, matches nothing or does not fit its bounds has no text."""
    assert matching(pattern, Draw("seed"), "place", (0, 5)) is None
