"""Kills orchcore again and again at the events of its journal, and resumes until the run is done.

Run it: ``PYTHONPATH=tests python -m crash.crashing 200``. Prints what was hit; exits 1 if anything
was lost, paid twice, repeated, damaged or left running.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from orchcore.journal.folder import ProjectFolder
from orchcore.journal.reader import read_run

HERE = Path(__file__).parent
_CONFIG = """\
default_agent = "scripted"
jobs = 4
[agents.scripted]
adapter = "claude"
program = "{agent}"
pass_env = ["CRASH_FOLDER"]
"""
GONE_WITHIN_S = 5.0
KILLED = -9


@dataclass(slots=True)
class Crashes:
    """One pipeline, run in a folder of its own.

    Attributes:
        folder: Where it runs.
        wrong: What must not have happened, and did.
        kinds: Which events were hit, and when.
    """

    folder: Path
    wrong: list[str] = field(default_factory=list[str])
    kinds: Counter[str] = field(default_factory=Counter[str])
    effects: Counter[str] = field(default_factory=Counter[str])

    def prepare(self) -> None:
        """Writes the project."""
        self.folder.mkdir(exist_ok=True)
        shutil.copy(HERE / "orchfile.py", self.folder)
        program = self.folder / "agent"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {HERE / "agent.py"} "$@"\n')
        program.chmod(0o700)
        (self.folder / "orchcore.toml").write_text(_CONFIG.format(agent=program))

    def process(self, number: int, when: str, *words: str) -> int:
        """Runs one process, killed at its event *number*; its exit code."""
        command = [sys.executable, str(HERE / "killed.py"), str(number), when, *words]
        env = {**os.environ, "CRASH_FOLDER": str(self.folder), "CI": "1"}
        env.pop("PYTEST_CURRENT_TEST", None)
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, check=False)
        if done.returncode not in (0, KILLED):
            self.wrong.append(f"exit {done.returncode}: {(done.stdout + done.stderr)[-2000:]!r}")
        return done.returncode

    def run(self, kills: list[tuple[int, str]]) -> str:
        """The pipeline's result, in spite of *kills*: in each process the number of an event."""
        self.prepare()
        words = ["run", "--progress", "quiet"]
        for number, when in kills:
            self._keep_effects()
            over = self.process(number, when, *words) == 0
            if any((self.folder / ".orchcore" / "runs").glob("*/journal.db")):
                words = ["resume"]
            self.judge()
            if over:
                break
        self._keep_effects()
        self.process(0, "never", *words)
        self.judge(over=True)
        return self.result()

    def events(self) -> int:
        """How many were recorded by the last process that was not killed."""
        return int((self.folder / "events").read_text())

    def judge(self, *, over: bool = False) -> None:
        """Looks for what must not be."""
        self.wrong += self._paid_twice()
        self.wrong += self._repeated()
        self.wrong += self._damaged()
        self.wrong += self._left()
        if over and (self.folder / "kills").exists():
            self.kinds.update((self.folder / "kills").read_text().splitlines())

    def result(self) -> str:
        """What the last phase gave."""
        record = read_run(ProjectFolder.seen(self.folder).find_run("latest"))
        return next((one.value or "" for one in record.results if one.node == "end"), "nothing")

    def _paid_twice(self) -> Iterator[str]:
        finished: Counter[str] = Counter()
        log = self.folder / "log"
        for line in log.read_text().splitlines() if log.exists() else ():
            what, turn = line.split()
            twice = 2 if turn.startswith("review-") else 1
            if what == "final":
                finished[turn] += 1
            elif finished[turn] >= twice:
                yield f"{turn} was finished and is started again"

    def _keep_effects(self) -> None:
        """What bodies whose end is recorded have done so far: it must not grow."""
        self.effects = self._effects_of_finished()

    def _effects_of_finished(self) -> Counter[str]:
        try:
            record = read_run(ProjectFolder.seen(self.folder).find_run("latest"))
        except Exception:  # noqa: BLE001  there is none yet
            return Counter()
        gave = {one.node for one in record.results if one.state in ("passed", "reused")}
        done = Counter((self.folder / "effects").read_text().split()) if gave else Counter[str]()
        return Counter({name: done[name] for name in gave if name in done})

    def _repeated(self) -> Iterator[str]:
        path = self.folder / "effects"
        now = Counter(path.read_text().split()) if path.exists() else Counter[str]()
        for name, count in self.effects.items():
            if now[name] != count:
                yield f"the finished body of {name} ran again"

    def _damaged(self) -> Iterator[str]:
        for journal in (self.folder / ".orchcore" / "runs").glob("*/journal.db"):
            try:
                with closing(sqlite3.connect(journal)) as connection:
                    told = connection.execute("PRAGMA integrity_check").fetchone()[0]
            except sqlite3.Error as error:
                told = str(error)
            if told != "ok":
                yield f"the journal is damaged: {told}"

    def _left(self) -> Iterator[str]:
        until = time.monotonic() + GONE_WITHIN_S
        while left := list(_agents(self.folder)):
            if time.monotonic() > until:
                yield f"left running: {left}"
                return
            time.sleep(0.02)


def _agents(folder: Path) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("CRASH_FOLDER") == str(folder):
                yield process.pid
        except psutil.Error:
            continue


def places(events: int, kills: int, dice: random.Random) -> list[list[tuple[int, str]]]:
    """*kills* numbers spread evenly over *events*, up to four for one pipeline, in order."""
    numbers = [1 + events * index // kills for index in range(kills)]
    dice.shuffle(numbers)
    groups: list[list[tuple[int, str]]] = []
    while numbers:
        group, numbers = sorted(numbers[:4]), numbers[4:]
        before = 0
        one: list[tuple[int, str]] = []
        for number in group:
            # a process that resumes records less: what was done is told in a few events
            one.append((max(1, number - before), dice.choice(["before", "after"])))
            before = number
        groups.append(one)
    return groups


def crash(kills: int, folder: Path, seed: int = 0) -> tuple[list[str], Counter[str]]:
    """Kills *kills* times; gives what was wrong, and what was hit."""
    dice = random.Random(seed)
    undisturbed = Crashes(folder / "undisturbed")
    wanted = undisturbed.run([])
    wrong, hit = undisturbed.wrong, Counter[str]()
    for index, group in enumerate(places(undisturbed.events(), kills, dice)):
        one = Crashes(folder / str(index))
        got = one.run(group)
        wrong += [f"pipeline {index}, killed at {group}: {text}" for text in one.wrong]
        if got != wanted:
            wrong.append(f"pipeline {index}, killed at {group}: gave {got!r}, not {wanted!r}")
        hit += one.kinds
        if not one.wrong:
            shutil.rmtree(one.folder)
    return wrong, hit


def main() -> int:
    """Prints what was hit and what was wrong."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with TemporaryDirectory() as folder:
        began = time.monotonic()
        wrong, hit = crash(kills, Path(folder))
        for what, count in sorted(hit.items()):
            print(f"{count:5} x {what}")
        print(f"{sum(hit.values())} kills in {time.monotonic() - began:.0f} s")
        for text in wrong:
            print(f"WRONG: {text}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
