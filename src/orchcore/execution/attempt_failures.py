"""What an exception of user code comes to: a ``Failure``, and the frames that a user wrote."""

import asyncio
import re
import sysconfig
import traceback
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from orchcore.declarations.body import Skip
from orchcore.errors import OrchcoreError, shown_path
from orchcore.results import Failure, TurnFailed

_NOT_THE_USERS = (
    str(Path(__file__).resolve().parent.parent),
    sysconfig.get_paths()["stdlib"],
    sysconfig.get_paths()["purelib"],
    "<frozen",
)


_NAMED = 3
_FIELDS = 5
_CAUSES = 5
_LONGEST = 4000
_CALLED_NODE = re.compile(r"'(Agent)?(Fan)?Phase' object is not callable")


def failure_of(error: BaseException) -> Failure:
    """*error* as a failure; of an exception group, the first leaf's kind and what all say."""
    # an error that another attempt cannot mend speaks for the others, a skip for nobody
    leaves = sorted(_leaves(error), key=lambda leaf: (isinstance(leaf, Skip), _transient(leaf)))
    first = _failure_of_one(leaves[0])
    line, *rest = first.detail.splitlines() or [""]
    others = [_in_a_group(leaf) for leaf in leaves[1:_NAMED]]
    more = f" and {len(leaves) - _NAMED} more" if len(leaves) > _NAMED else ""
    detail = "\n".join(["; ".join([line, *others]) + more, *rest])
    return replace(first, detail=_bounded(detail))


def skip_in(error: BaseException) -> str | None:
    """Why *error* skips a node; ``None`` if it is no ``Skip``, and no group of them alone."""
    leaves = list(_leaves(error))
    if not all(isinstance(leaf, Skip) for leaf in leaves):
        return None
    return str(leaves[0]) or "the body raised Skip"


def _failure_of_one(error: BaseException) -> Failure:
    match error:
        case TurnFailed():
            return error.failure
        case OrchcoreError():
            problem = error.problems[0]
            hint = f" (help: {error.hint})" if error.hint else ""
            return Failure("error", f"{problem.message} [{problem.code}]{hint}")
        case Skip():
            return Failure("skipped", str(error) or "the body raised Skip")
        case asyncio.CancelledError():
            return Failure("cancelled", "cancelled")
        case ValidationError():
            return Failure("error", _invalid(error))
        case _:
            line, *rest = _message(error).splitlines()
            causes = (f"caused by {_message(cause)}" for cause in _causes(error))
            return Failure("error", "\n".join([line + _hint(error), *rest, *causes]))


def _message(error: BaseException) -> str:
    """``ValueError: the whole message``, with its notes; never empty."""
    return "".join(traceback.format_exception_only(error)).strip()


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What *error* was raised from, or while handling, the nearest first."""
    seen = {id(error)}
    while len(seen) <= _CAUSES:
        hidden = None if error.__suppress_context__ else error.__context__
        cause = error.__cause__ or hidden
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        error = cause
        yield cause


def _in_a_group(error: BaseException) -> str:
    failure = _failure_of_one(error)
    line = failure.detail.partition("\n")[0]
    return str(failure) if isinstance(error, TurnFailed) else line


def _invalid(error: ValidationError) -> str:
    """What is wrong with which field, in one line; values are not shown: they may be secret."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or error.title}: {one['msg']}" for one in wrong]
    more = f" and {len(told) - _FIELDS} more" if len(told) > _FIELDS else ""
    return f"ValidationError: {error.title}: {'; '.join(told[:_FIELDS])}{more}"


def _hint(error: BaseException) -> str:
    """How to use a call that was not awaited, or a node that was called; else empty."""
    call: Any = error.obj if isinstance(error, AttributeError) else None
    if isinstance(call, Coroutine):
        cast("Any", call).close()  # nobody will await it: Python need not complain, too
        return " (help: did you forget `await`?)"
    if isinstance(error, TypeError) and "'coroutine'" in str(error):
        return " (help: did you forget `await`?)"
    if not (isinstance(error, TypeError) and _CALLED_NODE.match(str(error))):
        return ""
    return (
        " (help: phases are wired, not called: a parameter = use(phase),"
        " or make it a step: @phase.step, @agent.step)"
    )


def _transient(error: BaseException) -> bool:
    return isinstance(error, TurnFailed) and error.failure.transient


def frames_of(error: BaseException) -> str:
    """The user's own frames, outermost first, one ``file:line  source`` a line; causes follow."""
    raised = [one for leaf in _leaves(error) for one in (leaf, *_causes(leaf))]
    rows = [
        f"{shown_path(Path(frame.filename))}:{frame.lineno}  {frame.line or ''}".rstrip()
        for one in raised
        for frame in traceback.extract_tb(one.__traceback__)
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
