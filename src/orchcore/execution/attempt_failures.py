"""What an exception of user code comes to: a ``Failure``, and the frames that a user wrote."""

import asyncio
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from orchcore.declarations.body import Skip
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
    leaves = list(_leaves(error))
    # an error that another attempt cannot mend speaks for the others
    first = next((leaf for leaf in leaves if not _transient(leaf)), leaves[0])
    more = f" (and {len(leaves) - 1} more)" if len(leaves) > 1 else ""
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
        case Skip():
            return Failure("skipped", str(first) or "the body raised Skip")
        case asyncio.CancelledError():
            return Failure("cancelled", f"cancelled{more}")
        case _:
            text = "".join(traceback.format_exception_only(first)).strip().splitlines()[0]
            return Failure("error", text + more)


def _transient(error: BaseException) -> bool:
    return isinstance(error, TurnFailed) and error.failure.transient


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
