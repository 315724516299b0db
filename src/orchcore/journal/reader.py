"""Reads recorded runs, finished, dead or going on in another process."""

import json
import sqlite3
from collections import Counter
from dataclasses import replace

from pydantic import ValidationError

from orchcore.errors import Problem, RecordingError
from orchcore.events import Event, RunEnded, SubStepEnded, TurnEnded, event_from_json
from orchcore.journal.folder import ProjectFolder, RunFolder
from orchcore.journal.origin import is_locked
from orchcore.journal.record import (
    NumberedEvent,
    RecordedResult,
    RecordedStep,
    RecordedTurn,
    RunRecord,
    RunState,
    RunSummary,
)
from orchcore.journal.snapshot import snapshot
from orchcore.results import Usage
