"""One child process and everything that is wrong with child processes. Knows no vendors.

The rules:

1. A child lives in one ``async with``. Leaving it, however and even if cancelled twice, means the
   whole tree is gone; only then is the cancellation passed on.
2. stdin is fed and closed while stdout and stderr are read; no task and no thread per child, only
   callbacks of the event loop.
3. The end of the process is its exit, not the end of its output: a grandchild may hold a pipe open
   for ever. What is in the pipes then is read within ``DRAIN_S``, and they are closed.
4. What keeps a process from starting is a ``TurnFailed`` with a ``Failure`` a person can act on.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from orchcore.agents.claims import Tree
from orchcore.agents.launching import launch_failure, leave_files_spare, reset_ignored_signals
from orchcore.agents.output import FileOutput, PipeOutput, Sink
from orchcore.agents.process_table import MARKER, mark
from orchcore.agents.tree import Leftover, Trees
from orchcore.results import Failure, TurnFailed

DRAIN_S = 2.0
EXIT_WAIT_S = 2.0
_LONGEST_PAUSE_S = 0.1
"""Between looks at a file that does not grow."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start.

    Attributes:
        argv: Program and arguments; the program is looked up in the PATH of *env*.
        cwd: Its working directory.
        env: Its whole environment; the tree's marker is added.
        stdin: Bytes it is fed, after which its stdin is closed; ``/dev/null`` if empty.
        stdout: Where its stdout goes; one object per child.
        stderr: Is given its stderr as it is read.
        grace_s: How long its tree has between SIGTERM and SIGKILL.
        marker: Its tree's; empty: any.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    stderr: Sink
    stdin: bytes = b""
    stdout: PipeOutput | FileOutput = field(default_factory=lambda: PipeOutput(None))
    grace_s: float = 2.0
    marker: str = ""


class ChildProcess:
    """A running child; made by ``child_process``.

    Attributes:
        tree: Everything it starts.
        leftovers: What could not be ended, once ``end`` was called.
    """

    def __init__(self, program: Program, trees: Trees) -> None:
        self.tree = Tree(program.marker) if program.marker else Tree()
        self.leftovers: tuple[Leftover, ...] = ()
        self._program = program
        self._trees = trees
        self._output = program.stdout
        self._streams = _Streams(program.stdout, program.stderr)
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended = False

    @property
    def pid(self) -> int:
        """Its number; 0 before it runs."""
        return self.tree.root or 0

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return self._transport.get_returncode() if self._transport else None

    @property
    def over(self) -> bool:
        """Whether there is nothing to take and never will be."""
        return not self._output.open and not self._output.waiting

    @property
    def drained(self) -> bool:
        """Whether all it has printed so far was taken."""
        return self._output.drained

    def take(self) -> bytes:
        """What it printed on stdout since the last time; empty if nothing."""
        return self._output.take()

    async def activity(self, timeout_s: float) -> None:
        """Waits for output (also on stderr), an end of one, or the exit; *timeout_s* at most."""
        news = self._streams.news
        if self._output.poll_s is not None:
            deadline_s = asyncio.get_running_loop().time() + timeout_s
            pause_s = self._output.poll_s
            while not (news.is_set() or self._output.waiting):
                rest_s = deadline_s - asyncio.get_running_loop().time()
                if rest_s <= 0:
                    break
                await _happened(news, min(rest_s, pause_s))
                pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
        elif not self._output.waiting:
            await _happened(news, timeout_s)
        news.clear()

    async def end(self) -> None:
        """Ends the whole tree, also what an exited process left behind, and lets go of the pipes.

        Returns when all of it is gone or given up; stdout is to be taken meanwhile, else its
        drain is cut short. May be called again, also after a cancellation.
        """
        if self._transport is None or self._ended:
            return
        self.leftovers += await self._trees.end(self.tree, self._program.grace_s)
        await _happened(self._streams.exited, EXIT_WAIT_S)
        await _happened(self._streams.drained, DRAIN_S)
        stdin = self._transport.get_pipe_transport(0)
        # close() would wait until somebody has read the rest of stdin.
        if stdin is not None and cast("asyncio.WriteTransport", stdin).get_write_buffer_size():
            cast("asyncio.WriteTransport", stdin).abort()
        self._transport.close()
        self._output.close()
        await _happened(self._streams.closed, EXIT_WAIT_S)
        self._ended = True
        self._streams.news.set()

    async def _start(self) -> None:
        program, output = self._program, self._output
        if not program.argv or not program.argv[0]:
            raise TurnFailed(Failure("bad_invocation", "there is no program: the command is empty"))
        reset_ignored_signals()
        self._trees.add(self.tree)
        try:
            leave_files_spare()
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: self._streams,
                *program.argv,
                cwd=program.cwd,
                env={**program.env, MARKER: self.tree.marker},
                stdin=asyncio.subprocess.PIPE if program.stdin else asyncio.subprocess.DEVNULL,
                stdout=output.file if isinstance(output, FileOutput) else asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            failure = launch_failure(error, program.argv, program.cwd, program.env)
            raise TurnFailed(failure) from error
        self._transport = transport
        self.tree.launched(transport.get_pid())
        if transport.get_returncode() is None:
            mark(self.pid, self.tree.marker)
        if isinstance(output, FileOutput):
            output.launched()
        if program.stdin:
            stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
            stdin.write(program.stdin)
            stdin.write_eof()

    async def _close(self) -> None:
        try:
            self._output.ignore()
            await self.end()
        finally:
            self._trees.remove(self.tree)
            if isinstance(self._output, FileOutput):
                self._output.release()


@asynccontextmanager
async def child_process(program: Program, trees: Trees) -> AsyncGenerator[ChildProcess]:
    """Starts *program*; leaving the block ends its whole tree.

    A cancellation is held back until the tree is gone: a second one changes nothing.

    Args:
        program: What to start.
        trees: The registry its tree is added to meanwhile.

    Raises:
        TurnFailed: It cannot be started (``not_installed``, ``bad_invocation``, ``crashed``).

    Example:
        >>> async with child_process(program, trees) as child:
        ...     await child.activity(timeout_s=1)
        ...     print(child.take())
    """
    child = ChildProcess(program, trees)
    try:
        await uninterrupted(child._start(), "start a child")  # noqa: SLF001  its only maker
        yield child
    finally:
        await uninterrupted(child._close(), f"end the tree of {child.pid}")  # noqa: SLF001


async def uninterrupted[T](work: Coroutine[Any, Any, T], name: str) -> T:
    """Runs *work* to its end whatever happens; a cancellation is passed on after that.

    Args:
        work: Must come to an end by itself.
        name: The task's name.

    Raises:
        asyncio.CancelledError: The caller was cancelled, once or often; *work* is done.
    """
    # in a context of its own: who ends all tasks of a body's context must not end this one
    task = asyncio.create_task(work, name=name, context=Context())
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancelled:
            cancellation = cancelled
    if cancellation is not None:
        if (error := task.exception()) is not None:
            cancellation.add_note(f"meanwhile {name} failed: {error!r}")
        raise cancellation
    return task.result()


class _Streams(asyncio.SubprocessProtocol):
    """Hands what the event loop reads to the output and the sink, and says that it did."""

    def __init__(self, stdout: PipeOutput | FileOutput, stderr: Sink) -> None:
        self.news = asyncio.Event()
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()
        self.closed = asyncio.Event()
        self._stdout = stdout
        self._stderr = stderr
        self._open = {1, 2} if isinstance(stdout, PipeOutput) else {2}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(self._stdout, PipeOutput):
            pipe = cast("asyncio.SubprocessTransport", transport).get_pipe_transport(1)
            self._stdout.connect(cast("asyncio.ReadTransport", pipe))

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        content = cast("bytes", data)
        if fd == 2:
            self._stderr.write(content)
        elif isinstance(self._stdout, PipeOutput):
            self._stdout.received(content)
        self.news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc  # a pipe that breaks is a pipe that ends
        self._open.discard(fd)
        if fd == 1:
            self._stdout.close()
        if not self._open:
            self.drained.set()
        self.news.set()

    def process_exited(self) -> None:
        self.exited.set()
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed.set()


async def _happened(event: asyncio.Event, timeout_s: float) -> None:
    if event.is_set():
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
