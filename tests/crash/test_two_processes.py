"""Two orchcore processes on one account with a limit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from orchcore.events import RetryScheduled, TurnStarted
from orchcore.journal.folder import ProjectFolder
from orchcore.journal.reader import read_run

CLOSED_S, TURN_S = 3.0, 0.8
"""As in ``limited_agent.py``."""

FLOW = """
from orchcore import Agent, agent, each

@agent("scripted", parallel=4, retries=1)
async def work(ai: Agent, number: int = each([1, 2, 3, 4])) -> str:
    return await ai.ask(f"work {number}")
"""
AGENT = Path(__file__).parent / "limited_agent.py"


def _project(folder: Path) -> None:
    folder.mkdir()
    (folder / "orchfile.py").write_text(FLOW)
    program = folder / "agent"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {AGENT} "$@"\n')
    program.chmod(0o700)
    (folder / "orchcore.toml").write_text(
        f'[agents.scripted]\nadapter = "claude"\nprogram = "{program}"\npass_env = ["ACCOUNT"]\n'
    )


def _spans(account: Path) -> list[Any]:
    """Of each start of an agent: parent, begin, end, whether it answered, session, whether resumed."""
    return [json.loads(line) for line in Path(f"{account}.log").read_text().splitlines()]


def test_two_processes_wait_for_one_account(tmp_path: Path) -> None:
    """All turns pass, no retry is charged, and none is launched while the account is closed."""
    account = tmp_path / "account"
    env = {**os.environ, "ACCOUNT": str(account), "XDG_STATE_HOME": str(tmp_path / "state")}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        _project(folder)
    command = [sys.executable, "-m", "orchcore", "run", "--progress", "plain"]
    running = [
        subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
        for folder in folders
    ]
    closed_at = None
    while closed_at is None:
        closed_at = next(
            (file.stat().st_mtime for file in (tmp_path / "state").glob("orchcore/gates/*.json")),
            None,
        )
        assert any(one.poll() is None for one in running)
        time.sleep(0.001)
    printed = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0, 0], printed
    assert any("is rate-limited until" in text for text in printed)

    records = [read_run(ProjectFolder.seen(folder).find_run("latest")) for folder in folders]
    events = [[numbered.event for numbered in record.events] for record in records]
    assert not [event for told in events for event in told if isinstance(event, RetryScheduled)]
    resets = json.loads(account.read_text())["resets"]
    launches = [[event.at for event in told if isinstance(event, TurnStarted)] for told in events]
    early = [at for times in launches for at in times if closed_at < at < resets]
    assert early == []

    spans = _spans(account)
    answered = sorted((start, end) for _, start, end, good, *_ in spans if good)
    assert len(answered) == 8
    took_s = answered[-1][1] - min(start for _, start, *_ in spans)
    print(f"took {took_s:.2f} s")
    assert took_s < CLOSED_S + 4 * TURN_S
    last = [max(event.at for event in told if event.kind == "turn_ended") for told in events]
    first = [min(times) for times in launches]
    assert max(first) < min(last)


def test_a_waiting_run_can_be_interrupted_and_resumed(tmp_path: Path) -> None:
    """It waits on, and goes on in the sessions that had met the limit."""
    account = tmp_path / "account"
    env = {**os.environ, "ACCOUNT": str(account), "XDG_STATE_HOME": str(tmp_path / "state")}
    folder = tmp_path / "one"
    _project(folder)
    command = [sys.executable, "-m", "orchcore"]
    running = subprocess.Popen([*command, "run"], cwd=folder, env=env, stdout=subprocess.PIPE)
    while not list((tmp_path / "state").glob("orchcore/gates/*.json")):
        assert running.poll() is None
        time.sleep(0.01)
    time.sleep(TURN_S)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)
    limited = [session for *_, good, session, _ in _spans(account) if not good]
    assert (running.returncode, bool(limited)) == (2, True)
    resumed = subprocess.run(
        [*command, "resume"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "is rate-limited until" in resumed.stdout
    again = {session for *_, good, session, going_on in _spans(account) if good and going_on}
    assert again == set(limited)
    assert len([good for *_, good, _, _ in _spans(account) if good]) == 4
