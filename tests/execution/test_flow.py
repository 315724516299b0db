"""Skips and failures travel by edge."""

from pathlib import Path
from typing import Any

import pytest

from orchcore.events import NodeEnded
from orchcore.results import Err, Failure, Ok
from orchfiles import played

SOURCES = """
@phase
async def good() -> int: return 1
@phase
async def bad() -> int: raise ValueError("no")
@phase(when=good.where(lambda x: x > 1))
async def skipped() -> int: return 2
@phase
async def idle() -> int: raise Skip("nothing to do")
@phase
async def blocked(x: int = use(bad)) -> int: return x
"""


@pytest.mark.parametrize(
    ("edge", "state", "reason"),
    [
        ("use(good)", "passed", ""),
        ("use(bad)", "blocked", "needs bad"),
        ("use(blocked)", "blocked", "needs blocked"),
        ("use(skipped)", "skipped", "skipped was skipped: good.where(...) is false  "),
        ("use(idle)", "skipped", "idle was skipped: nothing to do"),
        ("use(idle.pick(str))", "skipped", "idle was skipped: nothing to do"),
        ("maybe(good)", "passed", ""),
        ("maybe(bad)", "passed", ""),
        ("maybe(skipped)", "passed", ""),
        ("use(good.pick(lambda x: x.nothing))", "failed", "good.pick raised AttributeError"),
        ("use(good.pick(lambda x: exit(3)))", "failed", "good.pick raised SystemExit"),
        ("use(good | bad)", "passed", ""),
        ("use(idle | good)", "passed", ""),
        ("use(idle | skipped)", "skipped", "skipped was skipped"),
        ("use(bad | good)", "blocked", "needs bad"),
        ("use(idle | bad)", "blocked", "needs bad"),
        ("use(settled(bad))", "passed", ""),
        ("use(settled(blocked))", "passed", ""),
    ],
)
async def test_what_an_edge_does_with_its_source(
    tmp_path: Path, edge: str, state: str, reason: str
) -> None:
    """Skipped, blocked or None: by edge, with the reason chain."""
    done = await played(
        tmp_path, SOURCES + f"@phase\nasync def node(x: Any = {edge}) -> int: return 0\n"
    )
    assert done.states["node"] == state
    assert done.endings["node"].reason.startswith(reason)
    if reason == "":
        assert not done.endings["node"].reason


async def test_maybe_gives_none_for_skips_and_failures(tmp_path: Path) -> None:
    """And the value otherwise."""
    body = """
    @phase
    async def node(a: Any = maybe(good), b: Any = maybe(bad), c: Any = maybe(skipped), d: Any = maybe(blocked)) -> Any:
        return [a, b, c, d]
    """
    done = await played(tmp_path, SOURCES + _dedent(body))
    assert done.values["node"] == [1, None, None, None]


async def test_settled_gives_outcomes(tmp_path: Path) -> None:
    """``Ok`` or ``Err`` of the right kind, whatever it is made from."""
    body = """
    @phase
    async def node(
        a: Any = use(settled(good)), b: Any = use(settled(bad)), c: Any = use(settled(skipped)),
        d: Any = use(settled(blocked)), e: Any = use(settled(good.pick(str))), f: Any = use(settled(settled(bad))),
        g: Any = use(settled(bad | good)),
    ) -> Any:
        return [a, b, c, d, e, f, g]
    """
    done = await played(tmp_path, SOURCES + _dedent(body))
    found: list[Any] = done.values["node"]
    kinds = [one.failure.kind if isinstance(one, Err) else "ok" for one in found]
    assert kinds == ["ok", "error", "skipped", "blocked", "ok", "ok", "blocked"]
    assert found[0] == Ok("good", 1)
    assert found[4].value == "1"


async def test_an_exception_is_a_failure_with_the_users_frames(tmp_path: Path) -> None:
    """Type and message; ``file:line  source`` of the orchfile only."""
    done = await played(tmp_path, SOURCES)
    ending = done.endings["bad"]
    assert ending.reason == "error: ValueError: no"
    assert ending.trace.endswith('raise ValueError("no")')
    assert ending.trace.count("\n") == 0
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("when", "state"),
    [
        ("good.where(lambda x: x == 1)", "passed"),
        ("~good.where(lambda x: x == 1)", "skipped"),
        ("good.where(bool) & good.where(lambda x: x > 5)", "skipped"),
        ("good.where(bool) | bad.where(bool)", "passed"),
        ("bad.where(bool) | good.where(bool)", "passed"),
        ("idle.where(bool) | good.where(bool)", "passed"),
        ("~good.where(bool) | bad.where(bool)", "blocked"),
        ("bad.where(bool) | ~good.where(bool)", "blocked"),
        ("~good.where(bool) & bad.where(bool)", "skipped"),
        ("bad.where(bool) & ~good.where(bool)", "skipped"),
        ("bad.where(bool) & idle.where(bool)", "blocked"),
        ("idle.where(bool) & bad.where(bool)", "blocked"),
        ("~(good.where(bool) & ~good.where(bool))", "passed"),
        ("idle.where(bool)", "skipped"),
        ("~idle.where(bool)", "skipped"),
        ("bad.where(bool)", "blocked"),
        ("good.where(lambda x: x.nothing)", "failed"),
        ("good.where(lambda x: exit(1))", "failed"),
        ("param(True, name='art')", "passed"),
        ("param(False, name='art')", "skipped"),
        ("good.pick(str).where(lambda s: s == '1')", "passed"),
    ],
)
async def test_conditions(tmp_path: Path, when: str, state: str) -> None:
    """``when=`` with &, |, ~, picks and parameters; the order of its parts changes nothing."""
    done = await played(
        tmp_path, SOURCES + f"@phase(when={when})\nasync def node() -> int: return 0\n"
    )
    assert done.states["node"] == state


async def test_a_condition_says_its_place(tmp_path: Path) -> None:
    """The reason of a skip is the condition and its line."""
    done = await played(tmp_path, SOURCES)
    assert done.endings["skipped"].reason.startswith("good.where(...) is false  ")
    assert "orchfile.py:" in done.endings["skipped"].reason


async def test_after_waits_without_the_value(tmp_path: Path) -> None:
    """``after=[...]``: like use, without the value."""
    body = """
    @phase(after=[good])
    async def a() -> int: return 0
    @phase(after=[good, idle])
    async def b() -> int: return 0
    @phase(after=[bad])
    async def c() -> int: return 0
    """
    done = await played(tmp_path, SOURCES + _dedent(body))
    assert [done.states[x] for x in "abc"] == ["passed", "skipped", "blocked"]
    assert done.endings["b"].reason == "idle was skipped: nothing to do"


FAN = """
@phase(parallel=3{options})
async def work(x: str = each(["a", "b", "c"])) -> str:
    if x in {bad}: raise ValueError(x)
    if x in {idle}: raise Skip("not " + x)
    return x
@phase
async def end(xs: list[str] = use(work)) -> list[str]: return xs
"""


type _End = tuple[str, list[str] | None, int]
_ENDS: list[tuple[str, str, str, _End]] = [
    ("", "''", "''", ("passed", ["a", "b", "c"], 0)),
    ("", "''", "'b'", ("passed", ["a", "c"], 0)),
    ("", "''", "'abc'", ("passed", [], 0)),
    ("", "'b'", "''", ("failed", None, 1)),
    (", quorum=2", "'b'", "''", ("partial", ["a", "c"], 1)),
    (", quorum=2, optional=True", "'b'", "''", ("partial", ["a", "c"], 0)),
    (", quorum=2", "''", "''", ("passed", ["a", "b", "c"], 0)),
    (", quorum=3", "'b'", "''", ("failed", None, 1)),
    (", quorum=2", "'a'", "'b'", ("failed", None, 1)),
    (", optional=True", "'b'", "''", ("failed", None, 1)),
]


@pytest.mark.parametrize(("options", "bad", "idle", "expected"), _ENDS)
async def test_how_a_fan_out_ends(
    tmp_path: Path, options: str, bad: str, idle: str, expected: _End
) -> None:
    """Skipped instances are left out; one failure fails it, unless a quorum passed."""
    done = await played(tmp_path, FAN.format(options=options, bad=bad, idle=idle))
    assert (done.states["work"], done.values.get("end"), done.exit_code) == expected
    if expected[1] is None:
        assert done.states["end"] == "blocked"


async def test_an_optional_node_does_not_fail_the_run(tmp_path: Path) -> None:
    """Reported, and whoever takes it by ``maybe`` goes on."""
    body = """
    @phase(optional=True)
    async def extra() -> int: raise ValueError
    @phase
    async def end(x: Any = maybe(extra)) -> int: return 1
    """
    done = await played(tmp_path, _dedent(body))
    assert (done.exit_code, done.states) == (0, {"extra": "failed", "end": "passed"})
    assert next(event for event in done.of(NodeEnded) if event.node == "extra").optional


async def test_the_reasons_name_instances(tmp_path: Path) -> None:
    """Counts, quorum and who failed."""
    done = await played(tmp_path, FAN.format(options=", quorum=3", bad="'bc'", idle="''"))
    assert done.endings["work"].reason == "1 of 3 passed, quorum 3; failed: work:b, work:c"
    failure = done.endings["work"].failure
    assert failure is not None
    reason = "1 of 3 passed, quorum 3; failed: work:b, work:c"
    assert failure == Failure("quorum", f"{reason}\nfirst failure: error: ValueError: b")


async def test_fail_fast_cancels_siblings(tmp_path: Path) -> None:
    """They are cancelled, say whose failure it was, and are told before their node."""
    body = """
    started = asyncio.Event()
    @phase(parallel=2, fail_fast=True)
    async def work(x: str = each(["a", "b", "c"])) -> str:
        if x == "b":
            await started.wait()
            raise ValueError("b")
        started.set()
        await asyncio.sleep(60)
        return x
    @phase
    async def other() -> int: return 1
    """
    done = await played(tmp_path, _dedent(body))
    assert done.states == {
        "work": "failed",
        "work:a": "cancelled",
        "work:b": "failed",
        "work:c": "cancelled",
        "other": "passed",
    }
    assert done.endings["work:a"].reason == "work:b failed (fail_fast)"
    assert done.endings["work"].reason == "0 of 3 passed; cancelled: work:a, work:c; failed: work:b"


async def test_elements_are_skipped_and_blocked_one_by_one(tmp_path: Path) -> None:
    """``each(fan_out)`` hands on each instance's fate; ``settled`` its outcome."""
    body = (
        FAN.format(options=", quorum=1", bad="'a'", idle="'b'")
        + """
@phase(parallel=3)
async def then(x: str = each(work)) -> str: return x
@phase(parallel=3)
async def judged(x: Any = each(settled(work))) -> Any: return x
@phase
async def every(x: list[Any] = use(settled(work))) -> Any: return x
"""
    )
    done = await played(tmp_path, body)
    assert [done.states[f"then:{x}"] for x in "abc"] == ["blocked", "skipped", "passed"]
    assert (done.states["then"], done.endings["then"].reason) == ("blocked", "needs work:a")
    for node in ("judged", "every"):
        found: list[Any] = done.values[node]
        assert [one.failure.kind if isinstance(one, Err) else one.value for one in found] == [
            "error",
            "skipped",
            "c",
        ]
        assert [one.key for one in found] == ["a", "b", "c"]


async def test_settled_of_a_fan_out_without_instances_has_one_outcome(tmp_path: Path) -> None:
    """Skipped or blocked before its instances were known: an outcome is never missed."""
    body = """
    @phase(parallel=2, when=good.where(lambda x: False))
    async def never(x: int = each([1, 2])) -> int: return x
    @phase
    async def whole(x: list[Any] = use(settled(never))) -> Any: return x
    @phase(parallel=2)
    async def single(x: Any = each(settled(never))) -> Any: return x
    """
    done = await played(tmp_path, SOURCES + _dedent(body))
    for node in ("whole", "single"):
        found: list[Any] = done.values[node]
        assert [(one.key, one.failure.kind) for one in found] == [("never", "skipped")]


async def test_an_empty_fan_out_is_passed(tmp_path: Path) -> None:
    """An empty list is a passed node with ``[]``, also for what runs on it."""
    body = """
    @phase
    async def none() -> list[str]: return []
    @phase(parallel=2)
    async def work(x: str = each(none)) -> str: return x
    @phase(parallel=2)
    async def more(x: str = each(work)) -> str: return x
    @phase
    async def end(xs: list[str] = use(more), ys: list[str] = use(settled(work))) -> int: return len(xs + ys)
    """
    done = await played(tmp_path, _dedent(body))
    assert (done.values["work"], done.values["more"], done.values["end"], done.exit_code) == (
        [],
        [],
        0,
        0,
    )


async def test_what_is_no_list_fails_the_node(tmp_path: Path) -> None:
    """``each`` of a source that gives something else, which its annotation did not tell."""
    body = """
    @phase
    async def text() -> Any: return "abc"
    @phase(parallel=2)
    async def work(x: str = each(text)) -> str: return x
    @phase(parallel=2)
    async def more(x: str = each(work)) -> str: return x
    """
    done = await played(tmp_path, _dedent(body))
    assert done.endings["work"].reason == "each(text) needs a list, got str"
    assert done.states["more"] == "blocked"


async def test_a_product_that_is_too_large_fails_the_node(tmp_path: Path) -> None:
    """Where the lists come during the run."""
    body = """
    @phase
    async def many() -> list[int]: return list(range(1000))
    @phase(parallel=2, cross=True)
    async def work(x: int = each(many), y: int = each(many)) -> int: return x
    """
    done = await played(tmp_path, _dedent(body))
    assert done.states == {"many": "passed", "work": "failed"}
    assert "1000 x 1000 = 1,000,000 instances" in done.endings["work"].reason


async def test_items_need_an_order_and_no_more(tmp_path: Path) -> None:
    """A deque, an array, a class of one's own; known before the run or not."""
    body = """
    from array import array
    from collections import deque
    class Shelf:
        def __iter__(self) -> Any: return iter((1, 2))
        def __len__(self) -> int: return 2
        def __contains__(self, value: object) -> bool: return True
        def __getitem__(self, index: int) -> int: return (1, 2)[index]
    @phase
    async def shelf() -> Any: return Shelf()
    @phase
    async def queue() -> deque[int]: return deque([3, 4])
    @phase(parallel=2)
    async def work(
        a: int = each(shelf), b: int = each(queue), c: int = each(Shelf()),
        d: int = each(deque([5, 6])), e: int = each(array("i", [7, 8])),
    ) -> tuple[int, ...]: return (a, b, c, d, e)
    """
    done = await played(tmp_path, _dedent(body))
    assert done.values["work"] == [(1, 3, 1, 5, 7), (2, 4, 2, 6, 8)]


async def test_lists_of_unequal_length_fail_before_any_instance(tmp_path: Path) -> None:
    """Those that are only known during the run."""
    body = """
    @phase
    async def two() -> list[int]: return [1, 2]
    @phase(parallel=2)
    async def work(x: int = each(two), y: int = each([1, 2, 3])) -> int: return x
    """
    done = await played(tmp_path, _dedent(body))
    assert "have 2 and 3 elements" in done.endings["work"].reason
    assert not [id_ for id_ in done.states if ":" in id_]


async def test_sources_of_common_origin_align(tmp_path: Path) -> None:
    """By instance, never by position, also where some are missing; others zip or multiply."""
    body = """
    @phase
    async def tasks() -> list[str]: return ["a", "b", "c"]
    @phase(parallel=3)
    async def first(t: str = each(tasks)) -> str:
        if t == "a": raise Skip("no")
        return t.upper()
    @phase(parallel=3)
    async def both(f: str = each(first), t: str = each(tasks), n: int = each([1, 2, 3])) -> str: return f + t + str(n)
    @phase(parallel=3, cross=True)
    async def crossed(t: str = each(tasks), n: int = each([1, 2])) -> str: return t + str(n)
    @phase
    async def end(b: list[str] = use(both), c: list[str] = use(crossed)) -> Any: return [b, c]
    """
    done = await played(tmp_path, _dedent(body))
    assert done.values["end"] == [["Bb2", "Cc3"], ["a1", "a2", "b1", "b2", "c1", "c2"]]
    assert done.states["both:a"] == "skipped"
    assert "crossed:c,2" in done.states


async def test_nested_results_are_flattened_by_pick(tmp_path: Path) -> None:
    """``each(audit.pick(lambda found: [...]))``."""
    body = """
    @phase(parallel=2)
    async def audit(n: int = each([1, 2])) -> list[int]: return [n] * n
    @phase(parallel=2)
    async def fix(f: int = each(audit.pick(lambda found: [f for fs in found for f in fs]))) -> int: return f * 10
    """
    done = await played(tmp_path, _dedent(body))
    assert done.values["fix"] == [10, 20, 20]
    assert [id_ for id_ in done.states if id_.startswith("fix:")] == ["fix:1", "fix:2", "fix:2.2"]


async def test_copies_without_each(tmp_path: Path) -> None:
    """``parallel=3`` is three attempts."""
    done = await played(tmp_path, "@phase(parallel=3)\nasync def x() -> int: return 1\n")
    assert done.values["x"] == [1, 1, 1]
    assert {"x:1", "x:2", "x:3"} < set(done.states)


async def test_instances_come_from_each_everywhere(tmp_path: Path) -> None:
    """Literals, parameters, sources and option edges."""
    body = """
    @phase
    async def folders() -> list[str]: return ["one", "two"]
    @agent(each(param(["claude", "codex"], name="who")), model=use(folders.pick(lambda f: f[0])), parallel=2)
    async def work(ai: Agent, f: str = each(folders)) -> str:
        return f"{ai.name} {f} {await ai.ask('m')}"
    @agent(cwd=each(folders), parallel=2)
    async def there(ai: Agent) -> str: return ai.cwd.name
    """
    done = await played(tmp_path, _dedent(body), params={"who": ["codex", "claude"]})
    assert done.values["work"] == ["codex one m", "claude two m"]
    assert done.values["there"] == ["one", "two"]
    assert {"work:one", "there:two"} < set(done.states)


@pytest.mark.parametrize(("limit", "stopped"), [(1, True), (2, True), (3, False)])
async def test_the_run_ends_after_so_many_failures(
    tmp_path: Path, limit: int, stopped: bool
) -> None:
    """``-x`` and ``--maxfail N``: optional nodes do not count, exit code 1."""
    body = """
    @phase(optional=True)
    async def extra() -> int: raise ValueError
    @phase(after=[extra.pick(int)], when=True)
    async def never() -> int: return 1
    @phase(parallel=1)
    async def work(x: int = each([1, 2])) -> int: raise ValueError
    @phase
    async def long(x: Any = use(settled(work))) -> int:
        await asyncio.sleep(0.05)
        return 1
    """
    done = await played(tmp_path, _dedent(body), fail_limit=limit)
    assert done.exit_code == 1
    assert done.states["long"] == ("cancelled" if stopped else "passed")


async def test_a_path_must_exist(tmp_path: Path) -> None:
    """A phase that gives a Path fails if there is nothing; relative ones are the project's."""
    body = """
    @phase
    async def there() -> Path: return Path("orchfile.py")
    @phase
    async def gone() -> Path: return Path("gone.md")
    @phase
    async def strange() -> Path: return Path("x" * 5000)
    """
    done = await played(tmp_path, _dedent(body))
    assert done.states == {"there": "passed", "gone": "failed", "strange": "failed"}
    assert done.endings["gone"].reason == "error: gave a path that does not exist: gone.md"


def _dedent(body: str) -> str:
    import textwrap

    return textwrap.dedent(body)
