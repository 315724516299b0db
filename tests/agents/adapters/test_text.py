from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adapters.replay import Replayed, invocation, replay
from orchcore.agents.adapters.protocol import Launch
from orchcore.agents.adapters.text import TextAdapter
from orchcore.errors import UsageError
from orchcore.events import TextWritten
from orchcore.results import FailureKind


def launch(*argv: str, **changes: Any) -> Launch:
    return TextAdapter().command(invocation("do it", argv=argv, **changes))


def read(stream: bytes, **end: Any) -> Replayed:
    return replay(stream, adapter=TextAdapter(), **end)


def test_placeholders_are_filled() -> None:
    """Placeholders are filled wherever they stand, and other braces are left alone."""
    asked = launch("tool", "--in={cwd}", '{"a": 1}', "{}", "{{prompt}}", "{prompt}!{prompt}")
    assert asked.argv == ("tool", "--in=/work", '{"a": 1}', "{}", "{prompt}", "do it!do it")
    assert asked.stdin == b""


def test_prompt_goes_to_stdin_unless_it_is_placed() -> None:
    """Without a prompt placeholder the prompt is fed on stdin."""
    assert launch("tool", "-q").stdin == b"do it"
    assert launch("tool", "{{prompt}}").stdin == b"do it"


def test_braces_in_the_prompt_stay() -> None:
    """What the prompt says is never taken for a placeholder."""
    adapter = TextAdapter()
    asked = adapter.command(invocation("{model} {{cwd}}", argv=("tool", "{prompt}"), model="m"))
    assert asked.argv == ("tool", "{model} {{cwd}}")


@pytest.mark.parametrize(
    ("template", "argv"),
    [
        (("tool", "--model", "{model}", "{prompt}"), ("tool", "do it")),
        (("tool", "--model={model}", "{prompt}"), ("tool", "do it")),
        (("tool", "-x=1", "{model}", "{prompt}"), ("tool", "-x=1", "do it")),
        (("tool", "run", "{model}", "{prompt}"), ("tool", "run", "do it")),
        (("tool", "--a", "{session}", "--b", "{model}", "-p", "{prompt}"), ("tool", "-p", "do it")),
    ],
)
def test_argument_without_value_is_dropped_with_its_option(
    template: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    """A placeholder without a value takes its argument and the option before it along."""
    assert launch(*template).argv == argv


def test_values_are_kept() -> None:
    """With a model and a conversation nothing is dropped."""
    asked = launch("t", "--model", "{model}", "-c", "{session}", model="m", resume="s")
    assert asked.argv == ("t", "--model", "m", "-c", "s")


@pytest.mark.parametrize(
    ("template", "argv"),
    [
        (("t", "-a", "-p", "{prompt}", "-z"), ("t", "-a", "X", "Y", "-p", "do it", "-z")),
        (("t", "{prompt}"), ("t", "X", "Y", "do it")),
        (("t", "run"), ("t", "run", "X", "Y")),
        (("t",), ("t", "X", "Y")),
    ],
)
def test_extra_arguments_stand_before_the_prompt(
    template: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    """Extra arguments come before the prompt and its option, else last."""
    assert launch(*template, args=("X", "Y")).argv == argv


def test_program_can_be_replaced() -> None:
    """A configured program takes the place of the template's."""
    assert launch("tool", "-x", program="/opt/tool").argv == ("/opt/tool", "-x")


def test_unknown_placeholder_is_refused() -> None:
    """Every unknown placeholder is named, with the known ones."""
    with pytest.raises(UsageError) as caught:
        launch("tool", "{promt}", "{foo}")
    assert [problem.code for problem in caught.value.problems] == ["unknown-placeholder"] * 2
    hints = caught.value.problems[1].hints
    assert "did you mean 'prompt'?" in hints
    assert "known placeholders: {cwd}, {model}, {prompt}, {session}" in hints


def test_missing_template_is_refused() -> None:
    """The adapter cannot guess what to start."""
    with pytest.raises(UsageError) as caught:
        launch()
    assert caught.value.code == "missing-argv"


def test_conversation_needs_its_placeholder() -> None:
    """A template without a session cannot continue one."""
    with pytest.raises(UsageError) as caught:
        launch("tool", resume="s")
    assert caught.value.code == "unsupported-option"


def test_output_is_the_answer() -> None:
    """Lines are told as they come; the text is all of them, also without a last newline."""
    turn = read("one ü\r\n\ntwo".encode())
    assert turn.events == (
        TextWritten("one ü\n", partial=True),
        TextWritten("\n", partial=True),
    )
    assert turn.result.text == "one ü\n\ntwo"
    assert turn.result.failure is None
    assert turn.result.cost_usd is None


@pytest.mark.parametrize(
    ("stream", "end", "kind"),
    [
        (b"yes\n", {"exit_code": 2, "stderr_tail": "bad\nno such model\n"}, "crashed"),
        (b"yes\n", {"exit_code": -15}, "crashed"),
        (b"yes\n", {"exit_code": None}, "crashed"),
        (b"yes\n", {"ended_by_us": True}, "cancelled"),
        (b" \n\n", {}, "empty_output"),
        (b"", {}, "empty_output"),
    ],
)
def test_failures(stream: bytes, end: dict[str, Any], kind: FailureKind) -> None:
    """Anything but exit 0 with some output is a failure."""
    failure = read(stream, **end).result.failure
    assert failure is not None
    assert failure.kind == kind
    if end.get("stderr_tail"):
        assert failure.detail == "exited with 2: no such model"


@given(st.binary())
def test_any_bytes_are_text(stream: bytes) -> None:
    """Bytes that are no UTF-8 are replaced; nothing raises."""
    read(stream).result.text.encode()
