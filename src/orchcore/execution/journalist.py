"""Tells recorder and observers what happens, in one order."""

import asyncio
import time
from contextvars import Context

from orchcore.errors import RecordingError
from orchcore.events import Event, Warned
from orchcore.execution.control import Control
from orchcore.execution.ports import Surroundings
from orchcore.execution.shielding import finished


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
        cancelled = None
        if self.failure is None:
            loop = asyncio.get_running_loop()
            # in no body's context: tasks of a body are ended with it, a record never is
            recording = self._recorder.commit(event)
            writing = loop.create_task(recording, name="record", context=Context())
            cancelled = await finished(writing)
            self._judge(writing.exception())
        self._publish(event)
        if cancelled is not None:
            raise cancelled

    def _judge(self, error: BaseException | None) -> None:
        if isinstance(error, RecordingError):
            self.failure = error
            self._control.internal = True
            self._control.stop("the run cannot be recorded", interrupted=False)
        elif error is not None:
            raise error
