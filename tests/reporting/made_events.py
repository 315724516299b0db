"""Runs made up by hand: what a display is tried on."""

from collections.abc import Iterator

from orchcore.events import (
    AgentEvent,
    AgentSaid,
    AgentStalled,
    ApprovalAsked,
    ApprovalGiven,
    AttemptStarted,
    Event,
    FinalGiven,
    InstanceEnded,
    LimitNoticed,
    NodeDrawn,
    NodeEnded,
    NodeExpanded,
    RetryScheduled,
    RunEnded,
    RunStarted,
    SessionStarted,
    SubStepEnded,
    SubStepStarted,
    TextWritten,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UsageReported,
    Warned,
)
from orchcore.results import Failure, Usage

START = 1_800_000_000.0
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07::error::made up\n"
    "::add-mask::secret\n"
    "  ##[error]made up\n"
    "##vso[task.complete result=Failed]\n"
    "[bold red]markup[/] \u202egnp.exe\u202c \x9b31mred\rover"
)
"""What an agent may print to take over a terminal or a CI log."""

REVIEWS = ("review:codex", "review:claude", "review:style")
STALLED = Failure("stalled", "said nothing for 120 s")
INVALID = Failure("invalid_output", "notes: Field required")


def whole_run(folder: str = "/tmp/project/.orchcore/runs/7f3c") -> Iterator[Event]:
    """6 nodes, 8 instances: a stall, a retry, a gate, a skip, a rate limit, a failure, a block."""
    at = START
    yield RunStarted(at, "7f3c", "orchfile.py", 4, _drawn(), folder=folder, budget_usd=5.0)
    yield from _plan(at, folder)
    yield from _gate(at + 41)
    yield NodeEnded(
        at + 44.1,
        "threat_model",
        "skipped",
        reason="plan.where(...) is false",
        failure=Failure("skipped", "plan.where(...) is false"),
    )
    yield from _implement(at + 44, folder)
    yield from _reviews(at + 234, folder)
    at += 372
    yield NodeEnded(
        at - 2, "verdict", "blocked", reason="needs review:style", failure=Failure("blocked", "")
    )
    states = {"passed": 5, "failed": 1, "skipped": 1, "blocked": 1}
    yield RunEnded(at, "7f3c", 1, 372.0, states, cost_usd=1.90, turns=6, unpriced_turns=1)


def crowd(size: int) -> Iterator[Event]:
    """A fan-out of *size* instances, of which 13 run; none ends."""
    drawn = NodeDrawn("check", "agent", (), True, (), "orchfile.py:5")
    last = NodeDrawn("report", "phase", ("check",), False, (), "orchfile.py:9")
    yield RunStarted(START, "c0de", "orchfile.py", 13, (drawn, last))
    names = tuple(f"check:{number:03}" for number in range(size))
    yield NodeExpanded(START, "check", names)
    for name in names[:13]:
        yield AttemptStarted(START + 1, name, 1)
        yield _turn(START + 1, name, 1, "turn-1", "claude", "")
        yield AgentSaid(START + 2, name, "turn-1", ToolStarted("1", "Read", "src/日本語.py"))


def noop_phases(number: int) -> Iterator[Event]:
    """*number* phases that start and end at once, without an agent."""
    names = [f"phase{index}" for index in range(number)]
    drawn = tuple(NodeDrawn(name, "phase", (), False, (), "orchfile.py:1") for name in names)
    yield RunStarted(START, "0000", "orchfile.py", 8, drawn)
    for name in names:
        yield AttemptStarted(START, name, 1)
        yield NodeEnded(START, name, "passed", 0.001)
    yield RunEnded(START + 1, "0000", 0, 1.0, {"passed": number})


def simulated_run() -> Iterator[Event]:
    """One agent node, answered by the demo agent."""
    drawn = NodeDrawn("plan", "agent", (), False, (), "orchfile.py:3")
    yield RunStarted(START, "dem0", "orchfile.py", 1, (drawn,))
    yield AttemptStarted(START, "plan", 1)
    yield _turn(START, "plan", 1, "turn-1", "demo", "")
    yield _turned(START + 1, "plan", 1, "turn-1", 0.0, simulated=True)
    yield NodeEnded(
        START + 1,
        "plan",
        "passed",
        1.0,
        brief="Plan(steps=1)",
        cost_usd=0.0,
        turns=1,
        simulated=True,
    )
    yield RunEnded(START + 1, "dem0", 0, 1.0, {"passed": 1}, turns=1, simulated=True)


def _drawn() -> tuple[NodeDrawn, ...]:
    return (
        NodeDrawn("plan", "agent", (), False, (), "orchfile.py:10"),
        NodeDrawn("approved", "gate", ("plan",), False, (), "orchfile.py:15"),
        NodeDrawn("threat_model", "agent", ("plan",), False, (), "orchfile.py:31"),
        NodeDrawn("implement", "agent", ("approved",), False, (), "orchfile.py:18"),
        NodeDrawn("review", "agent", ("implement",), True, REVIEWS, "orchfile.py:24"),
        NodeDrawn("verdict", "phase", ("review",), False, (), "orchfile.py:36"),
    )


def _plan(at: float, folder: str) -> Iterator[Event]:
    yield AttemptStarted(at, "plan", 1)
    yield _turn(at + 0.1, "plan", 1, "turn-1", "claude", folder)
    yield _said(at + 2, "plan", SessionStarted("5e55-10", "opus", "2.1"))
    yield _said(at + 6, "plan", ToolStarted("t1", "Read", "src/auth.py"))
    yield _said(at + 7, "plan", ToolEnded("t1", "Read", ok=True))
    for piece in ("Reading done.\n", "I will ", "plan four ", "steps."):
        yield _said(at + 20, "plan", TextWritten(piece, partial=True))
    yield _said(at + 21, "plan", TextWritten("Reading done.\nI will plan four steps."))
    yield _said(at + 40, "plan", FinalGiven(ok=True))
    yield _turned(at + 41, "plan", 1, "turn-1", 0.12)
    yield NodeEnded(
        at + 41,
        "plan",
        "passed",
        41.0,
        brief="Plan(steps=4, risky=False)",
        cost_usd=0.12,
        turns=1,
        folder=f"{folder}/plan",
    )


def _gate(at: float) -> Iterator[Event]:
    yield ApprovalAsked(at + 0.1, "approved", "Implement these 4 steps?", "Plan(\n  steps=4\n)")
    yield ApprovalGiven(at + 3, "approved", approved=True, by="max")
    yield NodeEnded(at + 3, "approved", "passed", 2.9)


def _implement(at: float, folder: str) -> Iterator[Event]:
    yield AttemptStarted(at, "implement", 1)
    yield _turn(at, "implement", 1, "turn-1", "claude", folder)
    yield _said(at + 3, "implement", ToolStarted("t1", "Edit", "src/auth.py"))
    yield _said(at + 4, "implement", ToolEnded("t1", "Edit", ok=False, denied=True))
    yield _said(at + 5, "implement", ToolStarted("t2", "Bash", "npm test"))
    yield AgentStalled(at + 125, "implement", "turn-1", 120.0, 120.0, "Running npm test")
    yield _turned(at + 126, "implement", 1, "turn-1", None, failure=STALLED)
    yield RetryScheduled(at + 126, "implement", 1, 3, 12.0, STALLED)
    yield Warned(at + 127, "pid 4121 could not be ended", "implement")
    yield AttemptStarted(at + 138, "implement", 2)
    yield _turn(at + 138, "implement", 2, "turn-1", "claude", folder)
    yield _said(at + 140, "implement", ToolStarted("t3", "Edit", "src/auth.py"))
    yield _said(at + 150, "implement", UsageReported(Usage(1000, 200), 0.5))
    yield _turned(at + 170, "implement", 2, "turn-1", 0.84)
    yield SubStepStarted(at + 170, "implement", 2, "command-1", "command", "pytest -q")
    yield SubStepEnded(at + 189, "implement", 2, "command-1", 19.0, exit_code=0)
    yield NodeEnded(
        at + 190,
        "implement",
        "passed",
        190.0,
        attempt=2,
        brief="Patch(files=3)",
        cost_usd=0.84,
        turns=2,
        unpriced_turns=1,
    )


def _reviews(at: float, folder: str) -> Iterator[Event]:
    yield NodeExpanded(at, "review", REVIEWS)
    for name, agent in zip(REVIEWS, ("codex", "claude", "claude"), strict=True):
        yield AttemptStarted(at, name, 1)
        yield _turn(at, name, 1, "turn-1", agent, folder)
    yield _said(at + 1, "review:claude", LimitNoticed("rejected", resets_at=at + 60))
    yield _said(at + 5, "review:style", TextWritten(HOSTILE))
    yield _said(at + 6, "review:style", ToolStarted("t1", "Grep", "TODO src/"))
    yield _turned(at + 20, "review:style", 1, "turn-1", 0.30, failure=INVALID)
    yield InstanceEnded(
        at + 20,
        "review:style",
        "failed",
        20.0,
        reason="output: notes: Field required",
        failure=INVALID,
        trace="orchfile.py:27 in review\n    return await ai.ask(f'Review {patch.diff}', Review)",
        last_lines=("Looking at the diff", *HOSTILE.split("\n")),
        cost_usd=0.30,
        turns=1,
        folder=f"{folder}/review:style",
    )
    yield _turned(at + 30, "review:codex", 1, "turn-1", 0.24)
    yield InstanceEnded(
        at + 30, "review:codex", "passed", 30.0, brief="Review(ok=True)", cost_usd=0.24, turns=1
    )
    yield _said(at + 62, "review:claude", TextWritten("The limit is over; looking."))
    yield _turned(at + 135, "review:claude", 1, "turn-1", 0.40)
    yield InstanceEnded(
        at + 135, "review:claude", "passed", 135.0, brief="Review(ok=True)", cost_usd=0.40, turns=1
    )
    yield NodeEnded(
        at + 135,
        "review",
        "failed",
        135.0,
        reason="1 of 3 instances failed",
        cost_usd=0.94,
        turns=3,
    )


def _said(at: float, node: str, said: AgentEvent) -> AgentSaid:
    return AgentSaid(at, node, "turn-1", said)


def _turn(at: float, node: str, attempt: int, turn: str, agent: str, folder: str) -> TurnStarted:
    return TurnStarted(
        at,
        node,
        attempt,
        turn,
        agent,
        agent,
        None,
        "Do it",
        f"{folder}/{node}/{turn}",
        idle_s=120.0,
    )


def _turned(
    at: float,
    node: str,
    attempt: int,
    turn: str,
    cost_usd: float | None,
    *,
    failure: Failure | None = None,
    simulated: bool = False,
) -> TurnEnded:
    return TurnEnded(
        at,
        node,
        attempt,
        turn,
        10.0,
        "done",
        '"done"',
        "5e55",
        Usage(),
        cost_usd,
        failure,
        0,
        simulated,
    )
