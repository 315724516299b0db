"""Replays a made-up run, to look at: ``python tests/reporting/demo_events.py --help``.

Knows no agent and starts none.
"""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from orchcore.events import AgentSaid, Event, LimitNoticed, RetryScheduled
from orchcore.reporting.audience import Audience
from orchcore.reporting.progress import choose
from reporting.made_events import crowd, noop_phases, simulated_run, whole_run

RUNS = {
    "whole": whole_run,
    "crowd": lambda: crowd(200),
    "noop": lambda: noop_phases(1000),
    "simulated": simulated_run,
}


def replay(events: Iterable[Event], audience: Audience, speed: float) -> None:
    """Publishes *events* at their distances divided by *speed*, moved to the present."""
    origin: float | None = None
    began = time.time()
    for event in events:
        origin = event.at if origin is None else origin
        due = began + (event.at - origin) / speed
        time.sleep(max(due - time.time(), 0))
        audience.publish(_moved(event, time.time(), speed))


def _moved(event: Event, now: float, speed: float) -> Event:
    if isinstance(event, AgentSaid) and isinstance(event.event, LimitNoticed):
        ahead_s = ((event.event.resets_at or event.at) - event.at) / speed
        limit = dataclasses.replace(event.event, resets_at=now + ahead_s)
        return dataclasses.replace(event, at=now, event=limit)
    if isinstance(event, RetryScheduled):
        return dataclasses.replace(event, at=now, delay_s=event.delay_s / speed)
    return dataclasses.replace(event, at=now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", choices=RUNS, nargs="?", default="whole")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--progress", default="auto")
    parser.add_argument("--linger", type=float, default=0.0, help="seconds before the end")
    parser.add_argument("-v", "--verbose", action="store_true")
    asked = parser.parse_args()
    display = choose(asked.progress, sys.stdout, sys.stderr, os.environ, verbose=asked.verbose)
    audience = Audience([display])
    replay(RUNS[asked.run](), audience, asked.speed)
    time.sleep(asked.linger)
    for warning in audience.close():
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    main()
