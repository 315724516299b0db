"""For those who test their orchfiles: turns without agents, runs without a command line.

Comes in: an orchfile and a script of what agents answer. Goes out: what the run came to, and all
of its events. Knows every room but the command line, and starts no process of its own.
"""

from orchcore.planning.drafting import Request
from orchcore.testing.clocks import VirtualClock
from orchcore.testing.recordings import check_adapter
from orchcore.testing.rehearsal import MemoryRecorder, Rehearsal, Rehearsed
from orchcore.testing.scripted import (
    ScriptedAdapter,
    ScriptedRunner,
    answered,
    failed,
    replied,
)

__all__ = [
    "MemoryRecorder",
    "Rehearsal",
    "Rehearsed",
    "Request",
    "ScriptedAdapter",
    "ScriptedRunner",
    "VirtualClock",
    "answered",
    "check_adapter",
    "failed",
    "replied",
]
