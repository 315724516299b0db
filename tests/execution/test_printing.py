"""What bodies print while a run is watched."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from orchcore.collection.gathering import collect
from orchcore.events import Event, NodeEnded, Printed
from orchcore.execution.control import Control
from orchcore.pipeline import RunSetup, execute
from orchcore.planning.drafting import Request, draft

ORCHFILE = """
import asyncio
import sys

from orchcore import phase, use

@phase
async def first() -> int:
    print("one", end=" ")
    print("line")
    await asyncio.to_thread(print, "from a thread")
    sys.stdout.write("never ended")
    return 1

@phase
async def second(number: int = use(first)) -> None:
    print("after", number >= 0)
"""


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def tick(self) -> None: ...

    def close(self) -> None: ...


def _watched(folder: Path, **setup: Any) -> list[Event]:
    (folder / "orchfile.py").write_text(ORCHFILE)
    plan = draft(collect((str(folder),), None, folder), Request())
    listener = Listener()
    asyncio.run(execute(plan, RunSetup((listener,), record=False, **setup), Control()))
    return listener.events


def test_prints_are_told_in_order_and_by_whom(tmp_path: Path) -> None:
    """Whole lines become events between the others, with the node that printed them."""
    before = sys.stdout
    events = _watched(tmp_path, told_prints=("stdout",))
    assert sys.stdout is before
    printed = [(event.node, event.text) for event in events if isinstance(event, Printed)]
    assert printed == [
        ("first", "one line"),
        ("first", "from a thread"),
        ("second", "after True"),
        ("first", "never ended"),
    ]
    order = [type(event) for event in events if isinstance(event, Printed | NodeEnded)]
    assert order == [Printed, Printed, NodeEnded, Printed, NodeEnded, Printed]


def test_prints_go_to_stdout_where_nobody_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that runs a pipeline keeps its own stdout."""
    events = _watched(tmp_path)
    assert not [event for event in events if isinstance(event, Printed)]
    assert capsys.readouterr().out.startswith("one line\nfrom a thread\n")


def test_a_print_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A body that prints a lot costs no file system, and leaves no empty folder of artifacts."""
    (tmp_path / "orchfile.py").write_text(ORCHFILE)
    plan = draft(collect((str(tmp_path),), None, tmp_path), Request())
    result = asyncio.run(execute(plan, RunSetup(shown_prints={"stdout": str.upper}), Control()))
    assert capsys.readouterr().out
    assert not (result.folder / "first").exists()


def test_lines_are_made_harmless_where_a_stream_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each whole line goes through what the stream's reader needs; the last one gets its end."""
    before = sys.stdout
    _watched(tmp_path, shown_prints={"stdout": str.upper})
    assert sys.stdout is before
    assert capsys.readouterr().out == "ONE LINE\nFROM A THREAD\nAFTER TRUE\nNEVER ENDED\n"
