"""``cost``: what recorded turns cost, by phase, agent, model and day. No orchfile is imported."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import click

from orchcore.cli.output import say, say_lines
from orchcore.cli.recorded import project_at
from orchcore.cli.shared_options import in_project
from orchcore.errors import Problem, RecordingError, UsageError
from orchcore.journal.record import RecordedTurn
from orchcore.policies import duration_s

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(slots=True)
class Bill:
    """What turns came to together.

    Attributes:
        turns: How many there were; those that were reused are not among them.
        unpriced: How many of them have no known price.
        cost_usd: What the others cost.
    """

    turns: int = 0
    unpriced: int = 0
    cost_usd: float = 0.0

    def add(self, turn: RecordedTurn) -> None:
        """Counts *turn*."""
        self.turns += 1
        self.unpriced += turn.cost_usd is None
        self.cost_usd += turn.cost_usd or 0.0


_BY: Mapping[str, Callable[[RecordedTurn], str]] = {
    "phase": lambda turn: turn.node.partition(":")[0],
    "agent": lambda turn: turn.agent,
    "model": lambda turn: turn.model or "its own",
    "day": lambda turn: _day(turn.started_at),
}


@click.command(
    "cost",
    help="""Show what turns cost, by phase, agent, model and day.

RUN is the id of a run, the beginning of one, or `latest`; without it all recorded runs of the
project count.

\b
Examples:
  orchcore cost
  orchcore cost latest
  orchcore cost --since 7d
  orchcore cost --since 2026-11-01 --json
""",
)
@in_project
@click.argument("run", required=False)
@click.option("--since", metavar="WHEN", help="Turns since then: 36h, 7d, or a date 2026-11-01.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON object.")
def cost_command(file: str | None, run: str | None, since: str | None, as_json: bool) -> None:
    """Prints the bills."""
    from orchcore.cli.run_records import SCHEMA_VERSION
    from orchcore.journal.reader import read_turns

    project = project_at(file)
    folders = project.run_folders() if run is None else [project.find_run(run)]
    start = _start(since)
    turns: list[RecordedTurn] = []
    left_out: list[str] = []
    for folder in folders:
        try:
            turns += [turn for turn in _once(read_turns(folder)) if turn.started_at >= start]
        except RecordingError as error:
            if run is not None:
                raise
            left_out.append(error.problems[0].message)
    bills = {by: _bills(turns, label) for by, label in _BY.items()}
    total = _bills(turns, lambda _: "total").get("total", Bill())
    if as_json:
        told: dict[str, object] = {
            by: {name: asdict(bill) for name, bill in found.items()} for by, found in bills.items()
        }
        told |= {"total": asdict(total), "left_out": left_out, "schema_version": SCHEMA_VERSION}
        say(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return
    say_lines([*_lines(bills, total), *(f"left out: {text}" for text in left_out)])


def _once(turns: Iterable[RecordedTurn]) -> Iterable[RecordedTurn]:
    """*turns*, one whose end was read from its transcript later only as what it came to."""
    return {turn.folder: turn for turn in turns}.values()


def _bills(turns: Iterable[RecordedTurn], label: Callable[[RecordedTurn], str]) -> dict[str, Bill]:
    bills: dict[str, Bill] = {}
    for turn in turns:
        bills.setdefault(label(turn), Bill()).add(turn)
    return bills


def _lines(bills: Mapping[str, Mapping[str, Bill]], total: Bill) -> Iterator[str]:
    from orchcore.planning.drawing import columns

    if not total.turns:
        yield "no turn was paid for"
        return
    for by, found in bills.items():
        dearest = sorted(
            found.items(), key=lambda item: (by != "day" and -item[1].cost_usd, item[0])
        )
        yield from columns(
            [(by.upper(), "", ""), *(_row(name, bill) for name, bill in dearest)]
        ).splitlines()
        yield ""
    yield "  ".join(filter(None, ("total", *_row("", total)[1:])))


def _row(name: str, bill: Bill) -> tuple[str, str, str]:
    turns = "1 turn" if bill.turns == 1 else f"{bill.turns:,} turns"
    unpriced = f", {bill.unpriced:,} unpriced" if bill.unpriced else ""
    cost = "unknown" if bill.unpriced == bill.turns else f"${bill.cost_usd:.2f}"
    return name, cost, f"{turns}{unpriced}"


def _start(since: str | None) -> float:
    """The unix time from which turns count."""
    if since is None:
        return 0.0
    try:
        if _DATE.fullmatch(since):
            return datetime.fromisoformat(since).astimezone().timestamp()
        return time.time() - duration_s(since)
    except ValueError:
        hint = "a duration such as 36h or 7d, or a date such as 2026-11-01"
        raise UsageError(Problem("usage", f"--since {since}: no time", None, (hint,))) from None


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d")
