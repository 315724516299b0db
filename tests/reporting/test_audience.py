import time
from threading import Event as Flag
from threading import get_ident

import pytest

from orchcore.events import AgentSaid, Event, TextWritten, Warned
from orchcore.reporting.audience import Audience
from reporting.made_events import START, noop_phases


class Listener:
    """Remembers what it was told; waits in *gate* or raises when asked to."""

    def __init__(self, *, gate: Flag | None = None, error: BaseException | None = None) -> None:
        self.events: list[Event] = []
        self.threads: set[int] = set()
        self.ticks = 0
        self.closed = 0
        self.entered = Flag()
        self._gate, self._error = gate, error

    def on_event(self, event: Event) -> None:
        self.entered.set()
        if self._gate is not None:
            self._gate.wait(10)
        self.threads.add(get_ident())
        self.events.append(event)
        if self._error is not None:
            raise self._error

    def tick(self) -> None:
        self.ticks += 1

    def close(self) -> None:
        self.closed += 1


def said(text: str) -> AgentSaid:
    return AgentSaid(START, "plan", "turn-1", TextWritten(text))


def test_every_observer_is_told_everything_in_order_on_its_own_thread() -> None:
    """Batches change neither order nor number of events."""
    events = list(noop_phases(300))
    one, two = Listener(), Listener()
    with Audience([one, two]) as audience:
        for event in events:
            audience.publish(event)
    assert one.events == two.events == events
    assert len(one.threads | two.threads) == 2
    assert get_ident() not in one.threads | two.threads
    assert (one.closed, two.closed, audience.warnings) == (1, 1, [])


def test_an_observer_that_raises_is_dropped_with_one_warning() -> None:
    """The others go on, and it is closed all the same, so that a terminal is put right."""
    bad, good = Listener(error=RuntimeError("no colours left")), Listener()
    audience = Audience([bad, good])
    audience.publish(Warned(START, "one"))
    assert audience.settle(5)
    for _ in range(3):
        audience.publish(Warned(START, "more"))
    (warning,) = audience.close()
    assert warning.startswith("Listener was dropped: RuntimeError: no colours left (on_event")
    assert (len(bad.events), bad.closed, len(good.events)) == (1, 1, 4)


def test_an_observer_cannot_exit_the_program() -> None:
    """A library that exits for us is an observer that failed."""
    audience = Audience([Listener(error=SystemExit(1))])
    audience.publish(Warned(START, "one"))
    (warning,) = audience.close()
    assert warning.startswith("Listener was dropped: SystemExit: 1")


def test_a_reader_that_left_is_no_warning() -> None:
    """A closed stdout ends the display, silently."""
    audience = Audience([Listener(error=BrokenPipeError())])
    audience.publish(Warned(START, "one"))
    assert audience.close() == ()


def test_an_observer_that_hangs_is_left_behind() -> None:
    """Closing waits as long as it was told to, for all observers together, then says so."""
    gate = Flag()
    audience = Audience([Listener(gate=gate), Listener(gate=gate), good := Listener()])
    audience.publish(Warned(START, "one"))
    began = time.monotonic()
    warnings = audience.close(timeout_s=0.3)
    took_s = time.monotonic() - began
    gate.set()
    assert warnings == ("Listener hung and was left behind; the run went on",) * 2
    assert len(good.events) == 1
    assert took_s < 5


def test_a_slow_observer_misses_words_and_no_states() -> None:
    """Beyond its limit what agents say is left out, counted, and told afterwards."""
    gate = Flag()
    slow = Listener(gate=gate)
    audience = Audience([slow], limit_bytes=20_000)
    audience.publish(Warned(START, "first"))
    assert slow.entered.wait(5)
    for _ in range(10):
        audience.publish(said("x" * 9000))
    audience.publish(Warned(START, "state"))
    gate.set()
    assert audience.close(10) == ()
    words = [event for event in slow.events if isinstance(event, AgentSaid)]
    notes = [event.text for event in slow.events if isinstance(event, Warned)]
    assert len(words) == 2
    assert notes == ["first", "state", "8 messages and prints came too fast to be shown"]


def test_an_observer_that_takes_nothing_is_dropped_before_memory_is_gone() -> None:
    """At twice its limit even states are too many."""
    gate = Flag()
    stuck = Listener(gate=gate)
    audience = Audience([stuck], limit_bytes=5000)
    for _ in range(100):
        audience.publish(Warned(START, "state"))
    gate.set()
    assert audience.close(10) == ("Listener could not keep up and was dropped; the run went on",)
    assert len(stuck.events) < 15


def test_ticks_come_without_events() -> None:
    """A display that shows time passing is called although nothing happens."""
    listener = Listener()
    audience = Audience([listener], tick_s=0.01)
    deadline = time.monotonic() + 5
    while listener.ticks < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    audience.close()
    assert listener.ticks >= 3


def test_settling_waits_for_the_last_event() -> None:
    """Before a question is asked everything said so far is on its way to the terminal."""
    listener = Listener()
    audience = Audience([listener])
    for event in noop_phases(50):
        audience.publish(event)
    assert audience.settle(5)
    assert len(listener.events) == 102
    audience.close()


def test_settling_gives_up_on_an_observer_that_hangs() -> None:
    """Nobody waits longer than he wants to."""
    gate = Flag()
    audience = Audience([Listener(gate=gate)])
    audience.publish(Warned(START, "one"))
    assert not audience.settle(0.05)
    gate.set()
    audience.close()


@pytest.mark.parametrize("error", [None, ValueError("late")])
def test_a_second_close_changes_nothing(error: BaseException | None) -> None:
    """Closing is safe in every tear-down."""
    audience = Audience([Listener(error=error)])
    audience.publish(Warned(START, "one"))
    assert audience.close() == audience.close()
    audience.publish(Warned(START, "too late"))


def test_what_was_published_is_drawn_once_it_has_settled() -> None:
    """Also when the observer has just been told to go on: the next drawing is awaited."""
    drawn: list[int] = []

    class Slow(Listener):
        def tick(self) -> None:
            time.sleep(0.05)
            drawn.append(len(self.events))

    with Audience([Slow()]) as audience:
        for number in range(3):
            audience.publish(Warned(START, str(number)))
            before = len(drawn)
            assert audience.settle(5)
            assert drawn[-1] == number + 1
            assert len(drawn) > before
