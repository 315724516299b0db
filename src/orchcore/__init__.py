"""orchcore: pytest for pipelines of AI coding agents.

An orchfile is typed async Python. Decorated functions are nodes, typed defaults are edges, and
``orchcore run`` builds the graph, checks it, and runs it with real agent CLIs.
"""

from orchcore.declarations.agent import Agent
from orchcore.declarations.body import Skip, command, gather
from orchcore.declarations.decorators import agent, phase
from orchcore.declarations.edges import each, maybe, param, settled, use
from orchcore.declarations.gates import approve
from orchcore.declarations.resource import resource
from orchcore.declarations.sources import Condition, FanOut, Source
from orchcore.entry import run, run_sync
from orchcore.errors import OrchcoreError
from orchcore.results import (
    Completed,
    Err,
    Failure,
    Ok,
    Outcome,
    Turn,
    TurnFailed,
    Usage,
)
from orchcore.run_result import RunResult

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Completed",
    "Condition",
    "Err",
    "Failure",
    "FanOut",
    "Ok",
    "OrchcoreError",
    "Outcome",
    "RunResult",
    "Skip",
    "Source",
    "Turn",
    "TurnFailed",
    "Usage",
    "agent",
    "approve",
    "command",
    "each",
    "gather",
    "maybe",
    "param",
    "phase",
    "resource",
    "run",
    "run_sync",
    "settled",
    "use",
]
