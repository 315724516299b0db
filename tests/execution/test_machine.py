"""Agents of all runs share one machine."""

import asyncio
import multiprocessing
import time
from pathlib import Path

import pytest

from orchcore.agents.invocation import Invocation
from orchcore.config import Config, Settings
from orchcore.events import Warned
from orchcore.execution.machine import LONGEST_LOW_S, Machine
from orchcore.journal.place_files import NoPlaces, PlaceFiles
from orchcore.planning.drafting import Request
from orchcore.results import TurnResult
from orchcore.testing import Rehearsal, ScriptedRunner, VirtualClock, replied
from orchfiles import written


async def test_two_runs_have_no_more_agents_than_the_machine_bears(tmp_path: Path) -> None:
    """Neither knows of the other; those that wait are told why."""
    running = most = 0

    async def script(_: Invocation) -> TurnResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return replied("done")

    body = """
    @agent(parallel=4)
    async def work(ai: Agent, number: int = each(list(range(4)))) -> str:
        return await ai.ask(f"work {number}")
    """
    (tmp_path / "orchcore.toml").write_text("max_agents = 3\n")
    rehearsals = [
        Rehearsal(
            orchfile=written(tmp_path, body),
            folder=tmp_path,
            runner=ScriptedRunner(script),
            request=Request(agent="scripted", jobs=4),
            places=PlaceFiles(tmp_path / "places"),
        )
        for _ in range(2)
    ]
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(one.run(), name="run") for one in rehearsals]
    assert [run.result().exit_code for run in runs] == [0, 0]
    assert most == 3
    texts = {event.text for run in runs for event in run.result().of(Warned)}
    assert texts == {"3 agents work on this machine: others wait (max_agents)"}


def test_more_jobs_are_more_agents_unless_the_configuration_says_how_many() -> None:
    """``-j 200`` is meant."""
    assert Config().max_agents(200) == 200
    assert Config().max_agents(1) >= 4
    assert Config(Settings(max_agents=2)).max_agents(200) == 2


def _hold(folder: Path) -> None:
    PlaceFiles(folder).take(1)
    time.sleep(60)


def test_a_process_that_is_killed_gives_its_place_back(tmp_path: Path) -> None:
    """The kernel does, nobody has to count."""
    places = PlaceFiles(tmp_path / "places")
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path / "places",))
    other.start()
    try:
        until = time.monotonic() + 20
        while (taken := places.take(1)) is not None and time.monotonic() < until:
            places.give_back(taken)
            time.sleep(0.01)
        assert taken is None
    finally:
        other.kill()
        other.join()
    assert places.take(1) == 0


def test_a_folder_that_cannot_be_made_holds_nobody_up(tmp_path: Path) -> None:
    """Then every place is free."""
    (tmp_path / "file").write_text("")
    places = PlaceFiles(tmp_path / "file" / "places")
    taken = [places.take(2), places.take(2)]
    assert taken == [0, 1]
    places.give_back(1)
    assert places.take(2) == 1


async def test_no_agent_starts_while_memory_is_nearly_gone() -> None:
    """As long as one of ours works; a run that has none does not wait for ever."""
    clock, told = VirtualClock(), list[str]()
    low = False
    machine = Machine(NoPlaces(), 9, clock, told.append, lambda: low)
    async with machine.place():
        low = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), machine.place():
                pass
        low = False
        async with machine.place():
            low = True
    began = clock.boot()
    async with machine.place():
        assert clock.boot() - began == pytest.approx(LONGEST_LOW_S, abs=1)
    assert told == ["memory is nearly gone: no further agent starts until there is more"]
