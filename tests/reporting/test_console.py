import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchcore.events import (
    AgentSaid,
    AttemptStarted,
    Event,
    NodeDrawn,
    NodeEnded,
    Printed,
    RunStarted,
    TextWritten,
)
from orchcore.reporting.audience import Audience
from orchcore.reporting.console import ConsoleDisplay
from reporting.made_events import START, crowd, noop_phases, whole_run

SIZE = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Now:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


def visible(text: str) -> str:
    """*text* without its escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def display_on(
    out: io.StringIO, environ: Mapping[str, str] | None = None
) -> tuple[ConsoleDisplay, Now]:
    now = Now()
    return ConsoleDisplay(out, {**SIZE, **(environ or {})}, clock=now), now


def played(events: Iterable[Event], environ: Mapping[str, str] | None = None) -> str:
    """Everything that goes to the terminal, a frame per event where it is due."""
    out = Terminal()
    display, now = display_on(out, environ)
    for event in events:
        now.at = event.at
        display.on_event(event)
        display.tick()
    display.close()
    return out.getvalue()


def test_finished_rows_are_printed_once_and_the_summary_last() -> None:
    """Rows that ended scroll away above what moves."""
    text = visible(played(whole_run()))
    for row in ("✔ plan           41s", "✔ approved       by max", "✘ review:style   20s"):
        assert text.count(row) == 1
    assert text.index("✔ plan") < text.index("✔ approved") < text.index("✘ review:style")
    assert text.endswith("go on:   orchcore resume 7f3c\n")


def test_the_cursor_is_given_back() -> None:
    """Whatever hid it shows it again."""
    text = played(whole_run())
    assert text.count(HIDE) == text.count(SHOW) == 1


def test_frames_come_at_most_five_times_a_second() -> None:
    """A thousand events in no time are one frame."""
    text = visible(played(noop_phases(1000)))
    assert text.count("^C stop") <= 2
    assert text.count("✔ phase") == 1000


def test_no_frame_is_taller_than_the_terminal() -> None:
    """Rich never has to cut it, and nothing scrolls by itself."""
    out = Terminal()
    display, now = display_on(out, {"LINES": "10"})
    for event in crowd(200):
        display.on_event(event)
    display.tick()
    assert visible(out.getvalue()).count("\n") == 9
    now.at += 1
    display.tick()
    display.close()


def test_data_is_never_markup_and_never_a_sequence() -> None:
    """Neither rich's tags nor an agent's escape codes have an effect."""
    drawn = NodeDrawn("n", "agent", (), False, (), "o.py:1")
    text = played(
        [
            RunStarted(START, "[red]r", "[bold]o", 1, (drawn,)),
            AttemptStarted(START + 1, "n", 1),
            AgentSaid(
                START + 2, "n", "turn-1", TextWritten("[blink]a[/] :smile: \x1b[2J\x1b]0;t\x07")
            ),
            NodeEnded(START + 3, "n", "failed", reason="[/] \x1b[31mred\u202e"),
        ]
    )
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "\u202e" not in text
    assert "[blink]a[/] :smile:" in visible(text)
    assert "run [red]r" in visible(text)
    assert "failed: [/] red\\u202e" in visible(text)


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_no_color_is_honoured(environ: dict[str, str], coloured: bool) -> None:
    """Without colours the view still moves."""
    text = played(whole_run(), environ)
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", text)) is coloured
    assert HIDE in text


def test_a_pause_leaves_the_terminal_to_somebody_else() -> None:
    """What had ended is printed first, nothing is drawn meanwhile, and it goes on below."""
    out = Terminal()
    display, now = display_on(out)
    events = list(whole_run())
    for event in events[:3]:
        display.on_event(event)
    display.tick()
    for event in events[3:14]:
        display.on_event(event)
    display.pause()
    assert "✔ plan" in visible(out.getvalue())
    assert out.getvalue().count(HIDE) == out.getvalue().count(SHOW) == 1
    before = out.getvalue()
    now.at += 100
    display.tick()
    assert out.getvalue() == before
    display.resume()
    display.tick()
    assert out.getvalue().count(HIDE) == 2
    display.close()


def test_nothing_is_drawn_before_a_run_and_nothing_said_without_one() -> None:
    """A run that never started leaves no trace."""
    out = Terminal()
    display, _ = display_on(out)
    display.tick()
    display.close()
    assert out.getvalue() == ""


def test_a_narrower_terminal_is_cleaned_of_wrapped_rows() -> None:
    """After a resize the view goes up by as many rows as the wrapping made."""
    out = Terminal()
    environ = {**SIZE, "COLUMNS": "100"}
    now = Now()
    display = ConsoleDisplay(out, environ, clock=now)
    for event in list(whole_run())[:3]:
        display.on_event(event)
    display.tick()
    environ["COLUMNS"] = "40"
    out.truncate(0)
    out.seek(0)
    now.at += 1
    display.tick()
    frame_rows, wrapped_rows = 9, 2
    assert out.getvalue().count("\x1b[1A") == frame_rows - 1 + wrapped_rows
    display.close()


def test_the_status_line_stays_where_it_is() -> None:
    """Each printed row takes the place of one that left the frame; it never goes up."""
    out = Terminal()
    display, now = display_on(out)
    heights: list[int] = []
    for event in list(whole_run())[:-1]:
        now.at = event.at
        display.on_event(event)
        display.tick()
        text = out.getvalue()
        heights.append(text.count("\n") - text.count("\x1b[1A"))
    display.close()
    assert heights == sorted(heights)
    assert heights[-1] - heights[0] <= 2


def test_a_terminal_that_goes_away_ends_the_view_only() -> None:
    """The audience drops it in silence."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        audience = Audience([ConsoleDisplay(out, SIZE)])
        for event in whole_run():
            audience.publish(event)
        assert audience.close() == ()


@contextmanager
def program_on_a_terminal(*arguments: str) -> Generator[tuple[int, subprocess.Popen[bytes]]]:
    """A Python process on a pseudo-terminal of its own: the master's descriptor, the process."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    unwanted = {"CI", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
    environ = {key: value for key, value in os.environ.items() if key not in unwanted}
    child = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**environ, "TERM": "xterm-256color"},
    )
    os.close(slave)
    try:
        yield master, child
    finally:
        child.kill()
        child.communicate()
        os.close(master)


def read_all(master: int, *, resize: bool = False) -> str:
    """Everything the child writes to its terminal, made narrower once the child has drawn."""
    text = b""
    while True:
        try:
            text += os.read(master, 65536)
        except OSError:  # Linux says EIO when the last writer has closed the terminal
            return text.decode()
        if resize and b"^C" in text:
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 40, 0, 0))
            resize = False


DEMO = str(Path(__file__).with_name("demo_events.py"))


def test_a_whole_run_in_a_real_terminal() -> None:
    """A process of its own on a pseudo-terminal that becomes narrow while it runs."""
    with program_on_a_terminal(DEMO, "--speed", "200") as (master, child):
        text = read_all(master, resize=True)
        assert child.wait(10) == 0
    assert text.count(HIDE) == text.count(SHOW) >= 1
    assert "\x1b[2J" not in text
    shown = visible(text).replace("\r\n", "\n")
    assert shown.count("✔ plan ") == 1
    assert "^C stop" in shown
    assert shown.endswith("go on:   orchcore resume 7f3c\n")


def test_a_print_in_a_body_lands_above_the_view() -> None:
    """It is cleaned and shown once, above what moves."""
    out = Terminal()
    display, now = display_on(out)
    drawn = NodeDrawn("body", "phase", (), False, (), "")
    display.on_event(RunStarted(START, "r", "o", 1, (drawn,)))
    display.tick()
    display.on_event(Printed(START, "hello from a body \x1b[2J", "body"))
    now.at += 1
    display.tick()
    display.on_event(Printed(START, "and the last", "body"))
    display.close()
    assert "\x1b[2J" not in out.getvalue()
    lines = [line.strip() for line in re.split(r"[\r\n]+", visible(out.getvalue()))]
    assert [lines.count(line) for line in ("hello from a body", "and the last")] == [1, 1]


def test_a_body_that_prints_without_end_delays_no_frame() -> None:
    """Of what it prints between two frames the latest 10,000 lines are shown."""
    out = Terminal()
    display, _ = display_on(out)
    display.on_event(RunStarted(START, "r", "o", 1, ()))
    for number in range(10_050):
        display.on_event(Printed(START, f"line {number}.", "body"))
    display.close()
    shown = visible(out.getvalue())
    assert (shown.count("line "), "line 49." in shown) == (10_000, False)
    assert "line 50." in shown
    assert "line 10049." in shown


STUCK = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from reporting.made_events import noop_phases
from orchcore.events import Printed
from orchcore.reporting.audience import Audience
from orchcore.reporting.progress import choose
audience = Audience([choose("tty", sys.stdout, sys.stderr, os.environ)])
for event in list(noop_phases(2000))[:-1]:
    audience.publish(event)
audience.settle(2)
audience.publish(Printed(time.time(), "a body prints too"))
print(*audience.close(timeout_s=0.5), file=sys.stderr)
"""


def test_a_stopped_terminal_does_not_stop_the_run() -> None:
    """Nobody reads the terminal: the run goes on, prints and all, and the program ends well."""
    tests = str(Path(__file__).parents[1])
    with program_on_a_terminal("-c", STUCK, tests) as (_, child):
        _, errors = child.communicate(timeout=30)
        assert errors == b"ConsoleDisplay hung and was left behind; the run went on\n"
        assert child.returncode == 0
