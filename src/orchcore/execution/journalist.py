"""Tells recorder and observers what happens, in one order."""

import asyncio
import time

from orchcore.errors import RecordingError
from orchcore.events import Event, Warned
from orchcore.execution.control import Control
from orchcore.execution.ports import Surroundings


class Journalist:
    """The one voice of a run.

    Args:
        around: Where recorder and observers are.
        control: Ends the run when the record cannot be written.
    """

    def __init__(self, around: Surroundings, control: Control) -> None:
        self._recorder = around.recorder
        self._publish = around.publish
        self._control = control
        self.failure: RecordingError | None = None

    def say(self, event: Event) -> None:
        """Tells *event*; it is durable soon."""
        if self.failure is None:
            self._recorder.note(event)
        self._publish(event)

    def show(self, event: Event) -> None:
        """Tells *event* to observers only: what an agent says is kept in its transcript."""
        self._publish(event)

    def warn(self, text: str, node: str = "") -> None:
        """Tells a person something that does not stop the run."""
        self.say(Warned(time.time(), text, node))

    async def commit(self, event: Event) -> None:
        """Tells *event* once it is durable; a cancellation waits for that.

        If it cannot be recorded, nothing new starts and the run ends with exit code 3.
        """
        if self.failure is None:
            writing = asyncio.ensure_future(self._recorder.commit(event))
            await _whatever_happens(writing)
            error = writing.exception()
            if isinstance(error, RecordingError):
                self.failure = error
                self._control.internal = True
                self._control.stop("the run cannot be recorded", interrupted=False)
            elif error is not None:
                raise error
        self._publish(event)


async def _whatever_happens(task: asyncio.Future[None]) -> None:
    """Waits until *task* is done, also through a cancellation, which is raised afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
