"""``agents replay``: recorded streams through the production parser."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.commands import orchcore

GOLDEN = Path(__file__).parent.parent / "golden" / "claude-2.1.330"


def replayed(name: str, *more: str) -> dict[str, Any]:
    """What ``--json`` prints of the recording *name*."""
    stream = str(GOLDEN / f"{name}.jsonl")
    done = orchcore("agents", "replay", stream, "--adapter", "claude", "--json", *more, cwd=GOLDEN)
    assert (done.returncode, done.stderr) == (0, "")
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_a_good_turn_is_told_whole() -> None:
    """Every field of the documented form, with the turn's own values."""
    assert replayed("tool_shell") == {
        "outcome": "ok",
        "text": "Done. The tool said what I expected. [final answer]",
        "answer": None,
        "session_id": "00e17b98-20cd-42df-a994-d2792ae17d12",
        "usage": {"input_tokens": 300, "output_tokens": 34, "cached_input_tokens": 60},
        "cost_usd": pytest.approx(0.001692),
        "failure": None,
        "tools": [{"name": "Bash", "ok": True}],
        "events": {
            "session": 1, "text": 2, "tool_started": 1, "tool_ended": 1, "usage": 1, "final": 1
        },
        "unknown_events": 0,
        "malformed_lines": 0,
        "truncated": False,
    }  # fmt: skip


def test_a_failure_has_its_times() -> None:
    """Kind, detail and when it may be tried again."""
    failure = replayed("usage_limit_oauth", "--exit-code", "1")["failure"]
    assert (failure["kind"], failure["resets_at"]) == ("quota", 1795456603.0)
    limited = replayed("rate_limit", "--exit-code", "1")
    assert (limited["outcome"], limited["text"]) == ("failed", "")
    assert limited["failure"]["retry_after_s"] == 1.5


def test_a_structured_answer_is_told_and_a_missing_one_too() -> None:
    """Also where the caller does not say that a schema was asked for."""
    assert replayed("structured")["answer"] == {"answer": "fake", "score": 1}
    assert replayed("structured_bad")["failure"]["kind"] == "invalid_output"


def test_exit_code_and_stderr_count(tmp_path: Path) -> None:
    """They are as much of the turn as its stream."""
    assert replayed("text", "--exit-code", "-9")["failure"]["kind"] == "crashed"
    (tmp_path / "stderr").write_text("error: unknown option '--no-such-flag'\n")
    facts = replayed("bad_flag", "--exit-code", "1", "--stderr", str(tmp_path / "stderr"))
    assert facts["failure"]["kind"] == "bad_invocation"


def test_a_stream_that_is_cut_is_no_success(tmp_path: Path) -> None:
    """The last line without its newline is a truncated turn, whatever the exit code."""
    whole = (GOLDEN / "text.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(whole[:-40])
    done = orchcore("agents", "replay", "cut.jsonl", "--adapter", "claude", "--json", cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert (facts["outcome"], facts["truncated"]) == ("failed", True)
    assert facts["failure"]["kind"] == "truncated"


def test_a_line_that_no_turn_may_print_is_a_failure(tmp_path: Path) -> None:
    """As it would be in a run, and it is counted."""
    lines = (GOLDEN / "text.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "long.jsonl").write_bytes(
        lines[0] + b"x" * (2**26 + 1) + b"\n" + b"".join(lines[1:])
    )
    done = orchcore("agents", "replay", "long.jsonl", "--adapter", "claude", "--json", cwd=tmp_path)
    facts = json.loads(done.stdout)
    assert (facts["failure"]["kind"], facts["malformed_lines"]) == ("output_limit", 1)


def test_for_people_it_leaves_out_what_is_nothing() -> None:
    """One line per field."""
    done = orchcore("agents", "replay", "tool_fail.jsonl", "--adapter", "claude", cwd=GOLDEN)
    lines = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert lines["outcome"].strip() == "ok"
    assert lines["tools"].strip() == "Bash (failed)"
    assert "failure" not in lines
    assert "malformed_lines" not in lines


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("text.jsonl", "--adapter", "cloude"), "did you mean 'claude'"),
        (("nothing.jsonl", "--adapter", "claude"), "nothing.jsonl"),
        (("text.jsonl",), "--adapter"),
        (("text.jsonl", "--adapter", "claude", "--schema", "text.jsonl"), "no JSON"),
    ],
)
def test_mistakes_are_told(args: tuple[str, ...], message: str) -> None:
    """Exit 4 and what to write instead."""
    done = orchcore("agents", "replay", *args, cwd=GOLDEN)
    assert done.returncode == 4
    assert message in done.stderr


def test_secrets_are_masked(tmp_path: Path) -> None:
    """As in everything else that is shown."""
    (tmp_path / "orchcore.toml").write_text(
        '[agents.k]\nadapter = "text"\nargv = ["cat"]\npass_env = ["MY_KEY"]\n'
    )
    (tmp_path / "said.txt").write_text("the key is sk-ABCdef1234567890XYZ\n")
    env = {"MY_KEY": "sk-ABCdef1234567890XYZ"}
    for more in ((), ("--json",)):
        done = orchcore(
            "agents", "replay", "said.txt", "--adapter", "k", *more, cwd=tmp_path, env=env
        )
        assert "sk-ABC" not in done.stdout
        assert "the key is ***" in done.stdout
