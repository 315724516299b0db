"""What is recorded of steps and commands, and how it is given back."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchcore.declarations.body import RAISED, CommandLine
from orchcore.declarations.nodes import Callee
from orchcore.errors import OrchcoreError
from orchcore.events import SubStepEnded
from orchcore.execution.endings import Value
from orchcore.execution.keys import NoDigestError, text_digest, value_digest
from orchcore.planning.annotations import hints
from orchcore.planning.options import node_options, option_problems
from orchcore.planning.plan import NodeOptions
from orchcore.results import Completed

COMPLETED = TypeAdapter(Completed)
_LONGEST_OUTPUT = 4 * 2**20


def command_digest(line: CommandLine, project: Path) -> str:
    """A digest of what *line* runs and where."""
    cwd = line.cwd.relative_to(project) if line.cwd.is_relative_to(project) else line.cwd
    env = {name: text_digest(value) for name, value in line.env.items()}
    return text_digest(json.dumps([line.argv, str(cwd), env, line.check], sort_keys=True))


def recorded(done: Completed) -> str | None:
    """*done* as JSON; ``None`` if it printed more than is worth keeping (4 MiB)."""
    if len(done.stdout) + len(done.stderr) > _LONGEST_OUTPUT:
        return None
    try:
        return COMPLETED.dump_json(done).decode()
    except RAISED:  # half a surrogate pair in its arguments
        return None


def digest_or_nothing(value: object, project: Path) -> str:
    """The digest of *value*; empty if it has none."""
    try:
        return value_digest(value, project)
    except NoDigestError:
        return ""


def kept_value(step: Callee, known: SubStepEnded, project: Path) -> Value | None:
    """What *step* gave before; ``None`` if it cannot be read back as it was."""
    returns: Any = hints(step.spec.fn).get("return")
    if returns is None or known.value is None or not known.digest:
        return None
    try:
        value: object = TypeAdapter[Any](returns).validate_json(known.value)
    except RAISED:
        return None
    return Value(value) if digest_or_nothing(value, project) == known.digest else None


def overlap(cwd: Path | None, moved: Path) -> bool:
    """Whether one of the folders is in the other."""
    return cwd is not None and (cwd.is_relative_to(moved) or moved.is_relative_to(cwd))


def own_options(step: Callee) -> NodeOptions:
    """Options of a step that no orchfile binds (imported inside a body)."""
    options, wrong = node_options(step, step.name, {})
    problems = (*option_problems(step, step.name), *wrong)
    if problems:
        raise OrchcoreError(*problems)
    return options
