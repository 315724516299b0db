"""What an exception of user code comes to: a ``Failure``, and the frames that a user wrote."""

import asyncio
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from orchcore.errors import OrchcoreError, shown_path
from orchcore.results import Failure, TurnFailed

_NOT_THE_USERS = (
    str(Path(__file__).resolve().parent.parent),
    sysconfig.get_paths()["stdlib"],
    sysconfig.get_paths()["purelib"],
    "<frozen",
)


def failure_of(error: BaseException) -> Failure:
    """*error* as a failure; the first leaf speaks for an exception group."""
    first, *others = _leaves(error)
    more = f" (and {len(others)} more)" if others else ""
    match first:
        case TurnFailed() if not more:
            return first.failure
        case TurnFailed():
            failure = first.failure
            return Failure(failure.kind, failure.detail + more, failure.retry_after_s)
        case OrchcoreError():
            problem = first.problems[0]
            hint = f" (help: {first.hint})" if first.hint else ""
            return Failure("error", f"error[{problem.code}]: {problem.message}{hint}{more}")
        case asyncio.CancelledError():
            return Failure("error", f"the body was cancelled by its own code{more}")
        case _:
            text = "".join(traceback.format_exception_only(first)).strip().splitlines()[0]
            return Failure("error", text + more)


def frames_of(error: BaseException) -> str:
    """The user's own frames, outermost first, one ``file:line  source`` a line."""
    rows = [
        f"{shown_path(Path(frame.filename))}:{frame.lineno}  {frame.line or ''}".rstrip()
        for leaf in _leaves(error)
        for frame in traceback.extract_tb(leaf.__traceback__)
        if not frame.filename.startswith(_NOT_THE_USERS)
    ]
    return "\n".join(dict.fromkeys(rows))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        parts: tuple[BaseException, ...] = cast("Any", error).exceptions
        for part in parts:
            yield from _leaves(part)
    else:
        yield error
