"""Options: known, available, of the right type."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchcore.errors import CollectionError, Problem, UsageError
from orchcore.planning.options import using_options
from orchcore.planning.plan import NodeOptions
from orchfiles import planned


def _options(folder: Path, options: str, decorator: str = "agent", **request: Any) -> NodeOptions:
    ai = "ai: Agent" if decorator == "agent" else ""
    body = f"@{decorator}({options})\nasync def x({ai}) -> int: ...\n"
    return planned(folder, body, **request).node("x").options


def _problem(folder: Path, options: str, decorator: str = "agent") -> Problem:
    with pytest.raises(CollectionError) as caught:
        _options(folder, options, decorator)
    (problem,) = caught.value.problems
    assert problem.where is not None
    return problem


def test_every_option_of_an_agent(tmp_path: Path) -> None:
    """They arrive as they were written, durations as seconds."""
    found = _options(
        tmp_path,
        "'claude', model='m', permission='edit', tools=['Read', 'Bash(git:*)'], timeout='1h30m', idle=90,"
        "retries=2, reasks=0, max_turns=5, env={'A': 'b'}, pass_env=('C',), limits={'gpu': 1}, tags=['t'],"
        "optional=True, cwd='sub', when=True, after=[]",
    )
    assert (found.cli, found.model, found.cwd, found.permission) == ("claude", "m", "sub", "edit")
    assert found.tools == ("Read", "Bash(git:*)")
    assert (found.timeout_s, found.idle_s) == (5400.0, 90.0)
    assert (found.retries, found.reasks, found.max_turns) == (2, 0, 5)
    assert (found.env, found.pass_env, found.limits) == ({"A": "b"}, ("C",), {"gpu": 1})
    assert (found.tags, found.optional) == (("t",), True)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("0.5", 0.5), ("'90s'", 90), ("'5m'", 300), ("'2h'", 7200), ("'1h30m'", 5400)],
)
def test_durations(tmp_path: Path, written: str, seconds: float) -> None:
    """Seconds, or text with units."""
    assert _options(tmp_path, f"timeout={written}", "phase").timeout_s == seconds


def test_a_timedelta_is_a_duration(tmp_path: Path) -> None:
    """Whoever has one need not convert it."""
    body = "from datetime import timedelta\n@phase(timeout=timedelta(minutes=2))\nasync def x() -> int: ...\n"
    assert (
        planned(tmp_path, body).node("x").options.timeout_s == timedelta(minutes=2).total_seconds()
    )


def test_parameters_are_filled_in(tmp_path: Path) -> None:
    """Scalar options take ``param``; a wrong value is the parameter's error."""
    options = "retries=param(1, name='tries'), model=param('m', name='mod'), timeout=param('5m', name='limit')"
    found = _options(tmp_path, options, parameters={"tries": "3", "limit": "10s"})
    assert (found.retries, found.model, found.timeout_s) == (3, "m", 10.0)
    with pytest.raises(UsageError, match="--tries 'x'"):
        _options(tmp_path, options, parameters={"tries": "x"})


@pytest.mark.parametrize(
    ("options", "decorator", "code", "said", "hint"),
    [
        ("retrys=1", "phase", "unknown-option", "phase 'x' has no option 'retrys'", "did you mean 'retries'?"),
        ("modle='x'", "agent", "unknown-option", "no option 'modle'", "did you mean 'model'"),
        ("model='x'", "phase", "unknown-option", "no option 'model'", "it needs an agent: @agent"),
        ("zzz=1", "phase", "unknown-option", "no option 'zzz'", "known: "),
        ("quorum=1", "phase", "option", "needs instances", "@phase(parallel=4, quorum=...)"),
        ("tools='Read'", "agent", "option", "option 'tools' of 'x': 'Read'", ""),
        ("retries=-1", "phase", "option", "greater than or equal to 0", ""),
        ("retries='2'", "phase", "option", "valid integer", ""),
        ("timeout='soon'", "phase", "option", "is not a duration", ""),
        ("timeout=-1", "phase", "option", "is not a duration", ""),
        ("timeout=0", "phase", "option", "over before it begins", ""),
        ("parallel=2, quorum=3", "phase", "option", "quorum=3 of 'x' can never be met", "2 instances"),
        ("permission='root'", "agent", "option", "'root'", ""),
        ("limits={'gpu': 0}", "phase", "option", "option 'limits'", ""),
        ("env={'A': 1}", "agent", "option", "option 'env'", ""),
        ("tags='x'", "phase", "option", "option 'tags'", ""),
        ("timeout=use(1)", "phase", "option", "only agent name, model and cwd take edges", ""),
        ("model=3", "agent", "option", "3 is no text or path", "use(...)"),
        ("5", "agent", "option", "option 'agent' of 'x': 5 is no text", "use(...)"),
        ("name='my phase'", "phase", "option", "is not fit for a shell", 'name="my-phase"'),
        ("name=''", "phase", "option", "is not fit for a shell", 'name="plan"'),
        ("name=3", "phase", "option", "is not fit for a shell", 'name="3"'),
        ("parallel=0", "phase", "option", "option 'parallel' of 'x': 0", ""),
        ("parallel=2, quorum=-1", "phase", "option", "option 'quorum'", ""),
        ("parallel=2, fail_fast=1", "phase", "option", "option 'fail_fast'", ""),
    ],
)  # fmt: skip
def test_each_mistake_is_told(
    tmp_path: Path, options: str, decorator: str, code: str, said: str, hint: str
) -> None:
    """Code, what was found, and the text that mends it."""
    problem = _problem(tmp_path, options, decorator)
    assert (problem.code, said in problem.message) == (code, True), problem
    assert hint in " ".join(problem.hints)


def test_steps_are_checked_like_phases(tmp_path: Path) -> None:
    """A step's unknown option is found before any body calls it."""
    body = "@agent.step(modle='x')\nasync def s(ai: Agent) -> int: ...\n@phase\nasync def x() -> int: ...\n"
    with pytest.raises(CollectionError, match="'s' has no option 'modle'"):
        planned(tmp_path, body)


@pytest.mark.parametrize("option", ["when=False", "after=[x]", "optional=True"])
def test_options_of_nodes_are_refused_at_steps(tmp_path: Path, option: str) -> None:
    """Whoever calls a step calls it: nothing would heed them."""
    body = f"@phase\nasync def x() -> int: ...\n@phase.step({option})\nasync def s() -> int: ...\n"
    with pytest.raises(CollectionError, match="of step 's' means nothing where a body calls it"):
        planned(tmp_path, body)


@pytest.mark.parametrize("decorator", ["phase", "phase.step"])
def test_a_named_limit_has_one_size(tmp_path: Path, decorator: str) -> None:
    """Which of two would be in force could only be guessed; both users are named."""
    body = (
        "@phase(limits={'gpu': 4, 'disk': 1})\nasync def a() -> int: ...\n"
        f"@{decorator}(limits={{'gpu': 1, 'disk': 1}})\nasync def b() -> int: ...\n"
    )
    with pytest.raises(CollectionError) as caught:
        planned(tmp_path, body)
    found = [problem.message for problem in caught.value.problems]
    assert found == ["limit 'gpu' is 1 for 'b' and 4 for 'a'"]


def test_shared_edits_are_warned_of(tmp_path: Path) -> None:
    """Several editing agents in one folder: a warning, unless each has its own."""
    body = "@agent({})\nasync def x(ai: Agent) -> int: ...\n"
    plan = planned(tmp_path, body.format("permission='edit', parallel=2"))
    assert [problem.code for problem in plan.warnings] == ["shared-edits"]
    assert "cwd=" in plan.warnings[0].hints[0]
    for fine in (
        "permission='edit', parallel=1",
        "parallel=2",
        "permission='edit', parallel=2, cwd=each(['a'])",
    ):
        assert not planned(tmp_path, body.format(fine)).warnings


def test_using_changes_what_it_names() -> None:
    """``ai.using(...)`` keeps everything else."""
    before = NodeOptions(
        tools=("Read",), permission="edit", timeout_s=5.0, env={"A": "1"}, retries=3
    )
    after = using_options(before, {"idle": "5m", "env": {"B": "2"}, "model": "m", "cwd": "x"})
    assert (after.tools, after.permission, after.timeout_s, after.idle_s) == (
        ("Read",),
        "edit",
        5.0,
        300.0,
    )
    assert (after.env, after.retries) == ({"A": "1", "B": "2"}, 3)
    changed = using_options(before, {"tools": ["Bash"], "permission": "full", "timeout": 9})
    assert (changed.tools, changed.permission, changed.timeout_s) == (("Bash",), "full", 9.0)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"modle": "x"}, "unknown-option", "did you mean 'model'"),
        ({"budget": -1.0}, "option", "greater than 0"),
        ({"tools": "Read"}, "option", "tools='Read'"),
        ({"retries": 1}, "unknown-option", "'retries'"),
    ],
)
def test_using_refuses_what_it_does_not_know(
    options: dict[str, object], code: str, said: str
) -> None:
    """At the call, not silently."""
    with pytest.raises(UsageError) as caught:
        using_options(NodeOptions(), options)
    assert caught.value.code == code
    assert said in str(caught.value)
