"""What a person is told of a failure, and what is tried again."""

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchcore.events import RetryScheduled, SubStepStarted, Warned
from orchcore.execution.control import Control
from orchcore.execution.retrying import LONGEST_WAIT_S, next_try
from orchcore.results import Failure, TurnResult
from orchcore.testing import failed, replied
from orchfiles import played, rehearsal

LIMIT = Failure("rate_limited", "too many requests")


@pytest.mark.parametrize(
    ("failure", "wait_s"),
    [
        (replace(LIMIT, retry_after_s=2.0), 2.0),
        (replace(LIMIT, resets_at=1030.0), 30.0),
        (replace(LIMIT, retry_after_s=40.0, resets_at=1030.0), 40.0),
        (replace(LIMIT, retry_after_s=2.0, resets_at=900.0), 2.0),
    ],
)
def test_the_next_attempt_waits_for_what_the_other_side_said(
    failure: Failure, wait_s: float
) -> None:
    """The later of its time and its delay."""
    assert next_try(failure, 1, 2, 1000.0, random.Random(1)) == wait_s


def test_a_wait_that_is_too_long_is_the_failure() -> None:
    """The reason says when it could go on."""
    late = replace(LIMIT, resets_at=1000.0 + 3600)
    final = next_try(late, 1, 2, 1000.0, random.Random(1))
    why = "(not tried again: that could be in 60 min at the earliest)"
    assert final == replace(late, detail=f"too many requests {why}")
    assert LONGEST_WAIT_S < 3600


def test_the_last_attempt_and_what_no_attempt_mends_are_final() -> None:
    """The failure is given back as it is."""
    refused = Failure("refused", "no")
    assert next_try(LIMIT, 2, 2, 0.0, random.Random(1)) is LIMIT
    assert next_try(refused, 1, 2, 0.0, random.Random(1)) is refused


@pytest.mark.parametrize("retried", ["node", "step"])
async def test_a_limit_that_is_lifted_too_late_fails(tmp_path: Path, retried: str) -> None:
    """After one turn, of a node and of a step alike."""
    fails = 'on_rate_limit="fail"'
    tried = f"retries=1, {fails}"
    node, step = (tried, fails) if retried == "node" else (fails, tried)
    body = f"""
    @agent.step({step})
    async def ask(ai: Agent) -> str: return await ai.ask("x")
    @agent({node})
    async def work(ai: Agent) -> str: return await ask()
    """
    late = replace(LIMIT, resets_at=time.time() + 3600)
    turns: list[TurnResult] = []

    def script(_: object) -> TurnResult:
        turns.append(TurnResult(failure=late))
        return turns[-1]

    done = await played(tmp_path, body, script)
    assert "not tried again" in done.endings["work"].reason
    assert (len(turns), done.of(RetryScheduled)) == (1, [])


async def test_a_step_waits_before_it_is_tried_again(tmp_path: Path) -> None:
    """As long as the other side said; a person is told."""
    body = """
    @agent.step(retries=1)
    async def ask(ai: Agent) -> str: return await ai.ask("x")
    @phase
    async def work() -> str: return await ask()
    """
    results = [failed("overloaded", retry_after_s=0.05), replied("fine")]
    done = await played(tmp_path, body, lambda _: results.pop(0))
    assert done.values["work"] == "fine"
    (told,) = done.of(Warned)
    assert told.text.startswith("step 'ask' failed (overloaded: ")
    assert told.text.endswith("): attempt 2 of 2 in 0.05 s")
    assert done.ended("work").duration_s >= 0.05


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "P(b='x')",
            (
                "error: ValidationError: P: a: Field required; "
                "b: Input should be a valid integer, unable to parse string as an integer"
            ),
        ),
        (
            "raise ExceptionGroup('g', [ValueError(n) for n in range(5)])",
            "error: ValueError: 0; ValueError: 1; ValueError: 2 and 2 more",
        ),
        ("ai.last", "error: ai.last: no turn has finished yet [no-turn] (help: ask first)"),
        (
            "await other()",
            (
                "error: TypeError: 'Phase' object is not callable (help: phases are wired, not called:"
                " a parameter = use(phase), or make it a step: @phase.step, @agent.step)"
            ),
        ),
        (
            "await command()",
            (
                "error: command() names no program [arguments]"
                ' (help: name it first:   await command("pytest", "-q"))'
            ),
        ),
        (
            "await command('')",
            (
                "error: command() names no program [arguments]"
                ' (help: name it first:   await command("pytest", "-q"))'
            ),
        ),
        (
            "await command(['echo', '5'])",
            (
                "error: command() takes texts and paths, not ['echo', '5'] [arguments]"
                " (help: put a star before it:   await command(*words))"
            ),
        ),
        (
            "await command('echo', 5)",
            (
                "error: command() takes texts and paths, not 5 [arguments]"
                ' (help: write a text:   await command(..., "5"))'
            ),
        ),
        (
            "command('true').stdout",
            (
                "error: AttributeError: 'coroutine' object has no attribute 'stdout'"
                " (help: did you forget `await`?)"
            ),
        ),
        (
            "later = ai.ask('x')\n        try: later + 'y'\n        finally: later.close()",
            (
                "error: TypeError: unsupported operand type(s) for +: 'coroutine' and 'str'"
                " (help: did you forget `await`?)"
            ),
        ),
    ],
)
async def test_a_failure_is_told_in_one_line(tmp_path: Path, line: str, reason: str) -> None:
    """With all that is wrong, and what mends it."""
    body = f"""
    class P(BaseModel):
        a: int
        b: int
    @phase
    async def other() -> int: return 1
    @agent
    async def work(ai: Agent) -> None:
        {line}
    """
    done = await played(tmp_path, body)
    assert done.endings["work"].reason == reason


async def test_a_command_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    """Of stdout and stderr both."""
    script = "echo 2 tests failed; echo warning >&2; exit 1"
    body = f"""
    @phase
    async def work() -> None: await command("sh", "-c", "{script}", check=True)
    """
    done = await played(tmp_path, body)
    assert done.ended("work").last_lines == ("2 tests failed", "warning")


async def test_a_program_in_a_folder_with_a_space_keeps_its_name(tmp_path: Path) -> None:
    """It is named after its file."""
    body = """
    @phase
    async def work() -> None: await command("/opt/my tools/prog", "x")
    """
    done = await played(tmp_path, body)
    assert [event.path for event in done.of(SubStepStarted)] == ["prog#1"]


async def test_what_was_cut_says_how_long_it_ran(tmp_path: Path) -> None:
    """And in which attempt; what never ran a body took no time."""
    body = """
    @agent(retries=1)
    async def work(ai: Agent) -> str:
        await ai.ask("x")
        await asyncio.sleep(1000)
        return ""
    @phase
    async def after(w: str = use(work)) -> str: return w
    """
    control = Control()
    results = [failed("connection"), replied("fine")]

    def script(_: object) -> TurnResult:
        if len(results) == 1:
            timer.append(control)
        return results.pop(0)

    timer: list[Control] = []

    def observe(event: object) -> None:
        if timer and type(event).__name__ == "TurnEnded":
            timer.pop().stop("SIGINT")

    done = await rehearsal(tmp_path, body, script, observe=observe).run(control)
    ended = done.ended("work")
    assert (ended.state, ended.attempt) == ("cancelled", 2)
    assert ended.duration_s > 0
    assert done.ended("after").duration_s == 0


async def test_the_whole_message_of_an_exception_is_kept(tmp_path: Path) -> None:
    """With its notes and its causes; the reason is one line."""
    body = """
    @phase
    async def work() -> None:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("first\\nsecond") from error
    @phase
    async def long() -> None: raise RuntimeError("x" * 10_000)
    """
    done = await played(tmp_path, body)
    ended = done.ended("work")
    assert ended.reason == "error: RuntimeError: first"
    assert ended.failure is not None
    assert ended.failure.detail.splitlines() == [
        "RuntimeError: first",
        "second",
        "caused by ValueError: invalid literal for int() with base 10: 'x'",
    ]
    assert [line.partition("  ")[2] for line in ended.trace.splitlines()] == [
        'raise RuntimeError("first\\nsecond") from error',
        'int("x")',
    ]
    failure = done.endings["long"].failure
    assert failure is not None
    assert len(failure.detail) == 4000


async def test_a_skip_tells_its_root_cause(tmp_path: Path) -> None:
    """However long the chain is; the chain is in the failure."""
    body = """
    @phase
    async def a() -> int: raise Skip("nothing new")
    @phase
    async def b(x: int = use(a)) -> int: return x
    @phase
    async def c(x: int = use(b)) -> int: return x
    """
    ending = (await played(tmp_path, body)).endings["c"]
    assert ending.reason == "a was skipped: nothing new"
    chain = "b was skipped: a was skipped: nothing new"
    assert ending.failure == Failure("skipped", chain)


async def test_output_that_was_cut_is_told(tmp_path: Path) -> None:
    """The value says so, and a person is warned."""
    body = """
    @phase
    async def work() -> bool:
        done = await command("sh", "-c", "head -c 70000000 /dev/zero")
        return done.truncated and done.ok
    """
    done = await played(tmp_path, body)
    assert done.values["work"] is True
    (warning,) = done.of(Warned)
    assert warning.text == "sh printed too much: its output was cut (truncated)"


async def test_a_name_that_is_no_name_is_shortened(tmp_path: Path) -> None:
    """What was taken for a command by mistake does not fill the screen."""
    body = """
    @phase
    async def work() -> None: await command("x" * 100_000)
    """
    done = await played(tmp_path, body)
    failure = done.endings["work"].failure
    assert failure is not None
    assert len(failure.detail) < 600
    assert all(len(event.path) < 120 for event in done.of(SubStepStarted))
