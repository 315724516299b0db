"""A run in an event loop that is all its own: no code of the orchfile can end it.

asyncio lets ``SystemExit`` and ``KeyboardInterrupt`` of any task or callback out of its loop, and
``loop.stop()`` ends it, too. Then whatever else the run does would be lost, and ``sys.exit(0)``
would make a failed run look well. So the loop is run again until the run itself has ended, and
what broke out of it counts as a failure of the body that it came from.
"""

import asyncio
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any

from orchcore.declarations.body import BODY
from orchcore.execution.control import Control

LEAVING_S = 2.0


def run_in_own_loop[T](main: Coroutine[Any, Any, T], control: Control) -> T:
    """What *main* gives, run like ``asyncio.run`` in a new event loop.

    Args:
        main: Plays a run; ends in order whatever the orchfile's code does.
        control: The run's.

    Raises:
        KeyboardInterrupt: The run was given up.
        BaseException: Whatever *main* raised.
    """
    runner = asyncio.Runner()
    loop = runner.get_loop()
    loop.set_exception_handler(_tell)
    try:
        task = loop.create_task(main, name="run")
        task.add_done_callback(lambda _: loop.stop())
        while not task.done():
            broke = _run(loop)
            if control.given_up:
                raise KeyboardInterrupt
            if not task.done():
                _blame(broke, control)
        return task.result()
    finally:
        with suppress(SystemExit, KeyboardInterrupt, RuntimeError):  # the run is over
            if _all_end(loop):
                runner.close()


def _all_end(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether every task that is left ends within ``LEAVING_S`` of its cancellation.

    ``Runner.close`` would wait for ever for one that swallows it; such a loop is left as it is, and
    the run has told of the task.
    """
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if not left:
        return True
    _, pending = loop.run_until_complete(asyncio.wait(left, timeout=LEAVING_S))
    return not pending


def _run(loop: asyncio.AbstractEventLoop) -> BaseException | None:
    """Runs *loop* until it is stopped; what broke out of it, if anything did."""
    try:
        loop.run_forever()
    except (SystemExit, KeyboardInterrupt) as error:
        return error
    return None


def _blame(broke: BaseException | None, control: Control) -> None:
    """Tells the body that *broke* came from, or, where that is not known, the run."""
    if broke is None:
        control.disturb("the orchfile's code has stopped the event loop: the run goes on")
        return
    context = _context_of(broke)
    body = None if context is None else context.get(BODY)
    if body is not None:
        body.broken(broke)
        return
    words = "".join(traceback.format_exception_only(broke)).strip()
    control.disturb(f"the orchfile's code has raised {words} in a callback: the run goes on")


def _context_of(error: BaseException) -> Context | None:
    """The context of the callback, or of the step of a task, that raised *error*."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        handle = frame.f_locals.get("self")
        if isinstance(handle, asyncio.Handle):
            return handle.get_context()
    return None


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tells an error that nobody awaits as a warning of its node; runs in the task's context."""
    body, error = BODY.get(), context.get("exception")
    if body is None or error is None:
        loop.default_exception_handler(context)
    elif not isinstance(error, SystemExit | KeyboardInterrupt):  # told already: it broke the loop
        task = context.get("task") or context.get("future")
        name = f"task '{task.get_name()}'" if isinstance(task, asyncio.Task) else "a callback"
        words = "".join(traceback.format_exception_only(error)).strip()
        body.warn(f"{name} has failed, and nobody awaits it: {words}")
