from hypothesis import given
from hypothesis import strategies as st

from orchcore.agents.watchdog import AFTER_GAP_S, GAP_S, WEAK_LIFE_S, Verdict, Watchdog
from orchcore.events import (
    AgentEvent,
    NoticeGiven,
    RetryNoticed,
    TextWritten,
    ToolEnded,
    ToolStarted,
)
from orchcore.policies import TurnLimits

LIMITS = TurnLimits(idle_s=120, tool_idle_s=600, timeout_s=3600)
TEXT: tuple[AgentEvent, ...] = (TextWritten("hi"),)


def watch(
    dog: Watchdog, start_s: float, end_s: float, *, drained: bool = True
) -> tuple[float, Verdict] | None:
    """Ticks once a second until there is a verdict."""
    now_s = start_s
    while now_s <= end_s:
        if verdict := dog.tick(now_s, drained=drained):
            return now_s, verdict
        now_s += 1
    return None


def test_silence_is_a_stall() -> None:
    """A turn is stalled as soon as its silence is longer than ``idle_s``, not before."""
    found = watch(Watchdog(LIMITS, 0), 0, 1000)
    assert found == (121, Verdict("stalled", 121, 120))


def test_a_stall_reads_like_one() -> None:
    """The detail names the silence and the limit that was passed."""
    assert Verdict("stalled", 120.4, 120).detail == "said nothing for 120 s (idle=120)"
    assert Verdict("stalled", 1.26, 1).detail == "said nothing for 1.3 s (idle=1)"
    tool = Verdict("stalled", 1801, 1800, tool_running=True)
    assert tool.detail == "said nothing for 1801 s (idle=1800 while a tool runs)"
    assert Verdict("timeout", 0, 7200).detail == "took longer than 7200 s (timeout=7200)"


def test_running_tools_may_be_silent_for_longer() -> None:
    """While a tool call runs, ``tool_idle_s`` holds; after it, ``idle_s`` again."""
    dog = Watchdog(LIMITS, 0)
    dog.heard(0, [ToolStarted("1", "Bash")])
    assert watch(dog, 0, 600) is None
    dog.heard(600, [ToolEnded("1", "Bash", ok=True)])
    assert watch(dog, 600, 1000) == (721, Verdict("stalled", 121, 120))


def test_a_tool_that_never_ends_stalls_too() -> None:
    """The longer silence is a limit as well."""
    dog = Watchdog(LIMITS, 0)
    dog.heard(0, [ToolStarted("1", "Bash")])
    assert watch(dog, 0, 1000) == (601, Verdict("stalled", 601, 600, tool_running=True))


def test_retry_notices_are_life_for_a_while_only() -> None:
    """Weak signs keep a turn alive for 15 min after the last real one."""
    dog = Watchdog(LIMITS, 0)
    ended_s = None
    for now_s in range(3000):
        if now_s % 60 == 0:
            dog.heard(now_s, [RetryNoticed("529"), NoticeGiven()])
        if dog.tick(now_s, drained=True):
            ended_s = now_s
            break
    assert ended_s == WEAK_LIFE_S + 120 + 1


def test_a_real_event_among_weak_ones_counts() -> None:
    """One real event makes the whole lot a real sign of life."""
    dog = Watchdog(LIMITS, 0)
    dog.heard(100, [NoticeGiven(), *TEXT])
    assert dog.silent_s(110) == 10


def test_a_working_tree_is_alive() -> None:
    """Growing processor time is life; a hung program's timers are not."""
    busy, hung = Watchdog(LIMITS, 0), Watchdog(LIMITS, 0)
    for now_s in range(600):
        if now_s % 15 == 0:
            busy.worked(now_s, cpu_s=now_s * 0.5)
            hung.worked(now_s, cpu_s=now_s * 0.005)
        assert busy.tick(now_s, drained=True) is None
        if now_s == 121:
            assert hung.tick(now_s, drained=True) is not None
        elif now_s < 121:
            assert hung.tick(now_s, drained=True) is None


def test_nothing_is_stalled_while_its_output_is_unread() -> None:
    """A stall waits for the drain, a timeout only for a moment."""
    dog = Watchdog(LIMITS, 0)
    found = watch(dog, 0, 10_000, drained=False)
    assert found is not None
    assert (found[0], found[1].kind) == (3606, "timeout")


def test_a_busy_turn_times_out() -> None:
    """Life does not help against ``timeout_s``."""
    dog = Watchdog(LIMITS, 0)
    for now_s in range(3601):
        dog.heard(now_s, TEXT)
        assert dog.tick(now_s, drained=True) is None
    verdict = dog.tick(3601, drained=True)
    assert verdict is not None
    assert verdict.kind == "timeout"


def test_a_stopped_machine_is_not_a_stalled_agent() -> None:
    """An hour's gap in the ticks is neither silence nor part of the timeout."""
    dog = Watchdog(LIMITS, 0)
    assert watch(dog, 0, 60) is None
    assert watch(dog, 7260, 7320) is None
    assert watch(dog, 7321, 8000) == (7321, Verdict("stalled", 121, 120))


STEPS = st.lists(
    st.tuples(
        st.floats(0.01, 400),
        st.sampled_from(["tick", "text", "ping", "tool", "done", "stderr", "cpu", "undrained"]),
    ),
    max_size=80,
)


def act(dog: Watchdog, now_s: float, what: str) -> Verdict | None:
    if what == "text":
        dog.heard(now_s, TEXT)
    elif what == "ping":
        dog.heard(now_s, [NoticeGiven()])
    elif what == "tool":
        dog.heard(now_s, [ToolStarted("1", "Bash")])
    elif what == "done":
        dog.heard(now_s, [ToolEnded("1", "Bash", ok=True)])
    elif what == "stderr":
        dog.murmured(now_s)
    elif what == "cpu":
        dog.worked(now_s, now_s)
    return dog.tick(now_s, drained=what != "undrained")


@given(STEPS)
def test_no_verdict_soon_after_a_gap_and_none_without_reason(
    steps: list[tuple[float, str]],
) -> None:
    """Whatever happens: no verdict within 5 s of a gap, nor before a limit can have passed."""
    dog = Watchdog(LIMITS, 0)
    now_s = heard_s = gap_s = 0.0
    gap_s = -AFTER_GAP_S
    for pause_s, what in steps:
        now_s += pause_s
        if what in {"text", "tool", "done"}:
            heard_s = now_s
        if pause_s > GAP_S:
            gap_s = now_s
        verdict = act(dog, now_s, what)
        if verdict is None:
            continue
        assert now_s - gap_s >= AFTER_GAP_S
        if verdict.kind == "stalled":
            assert what != "undrained"
            assert now_s - heard_s > LIMITS.idle_s
            assert verdict.silent_s > verdict.limit_s
        else:
            assert now_s > LIMITS.timeout_s


@given(st.lists(st.floats(0.1, 2.9), min_size=1, max_size=400), st.floats(0, 100))
def test_steady_silence_always_ends(pauses: list[float], spoke_s: float) -> None:
    """Without gaps and life the verdict comes exactly when the silence is too long."""
    limits = TurnLimits(idle_s=30)
    dog = Watchdog(limits, 0)
    dog.heard(spoke_s, TEXT)
    now_s = 0.0
    for pause_s in pauses:
        now_s += pause_s
        assert (dog.tick(now_s, drained=True) is not None) == (now_s - spoke_s > 30)
