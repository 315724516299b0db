"""Everything that can happen in a run, one class per happening.

Two closed unions. ``AgentEvent`` is what an agent said, as its adapter understood it: no time,
no node. ``Event`` is what happened in a run: every one has ``at`` (unix seconds), most have
``node`` (a node's id, ``review``, or an instance's, ``review:codex``). Their JSON form (see
``event_json``) is public; ``SCHEMA_VERSION`` counts its breaking changes.

What comes with every line of a stream is not frozen: that would make it three times as slow.
Nobody changes an event all the same.
"""

from orchcore.events.happened import (
    SCHEMA_VERSION,
    ApprovalAsked,
    ApprovalGiven,
    AttemptStarted,
    Ended,
    Event,
    InstanceEnded,
    NodeDrawn,
    NodeEnded,
    NodeExpanded,
    Printed,
    Queued,
    RetryScheduled,
    RunEnded,
    RunStarted,
    StopRequested,
    Warned,
    event_from_json,
    event_json,
)
from orchcore.events.said import (
    AgentEvent,
    FinalGiven,
    LimitNoticed,
    NoticeGiven,
    RetryNoticed,
    SessionStarted,
    TextWritten,
    ThinkingWritten,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from orchcore.events.turns import (
    AgentSaid,
    AgentStalled,
    LimitAwaited,
    LoopSuspected,
    SubStepEnded,
    SubStepStarted,
    TurnEnded,
    TurnReused,
    TurnStarted,
)

__all__ = [
    "SCHEMA_VERSION",
    "AgentEvent",
    "AgentSaid",
    "AgentStalled",
    "ApprovalAsked",
    "ApprovalGiven",
    "AttemptStarted",
    "Ended",
    "Event",
    "FinalGiven",
    "InstanceEnded",
    "LimitAwaited",
    "LimitNoticed",
    "LoopSuspected",
    "NodeDrawn",
    "NodeEnded",
    "NodeExpanded",
    "NoticeGiven",
    "Printed",
    "Queued",
    "RetryNoticed",
    "RetryScheduled",
    "RunEnded",
    "RunStarted",
    "SessionStarted",
    "StopRequested",
    "SubStepEnded",
    "SubStepStarted",
    "TextWritten",
    "ThinkingWritten",
    "ToolEnded",
    "ToolStarted",
    "TurnEnded",
    "TurnReused",
    "TurnStarted",
    "UsageReported",
    "Warned",
    "event_from_json",
    "event_json",
]
