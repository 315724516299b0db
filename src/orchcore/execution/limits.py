"""How many turns and commands run at once.

Only turns and commands take slots, never bodies: a body that awaits a step cannot deadlock, also
at one job. Slots are taken in one global order (named limits by name, the account, the run), so
no two takers can wait for each other.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType


class Slots:
    """The semaphores of one run.

    Args:
        jobs: Turns and commands at once (``-j``).
    """

    def __init__(self, jobs: int) -> None:
        self._run = asyncio.Semaphore(jobs)
        self._accounts: dict[str, asyncio.Semaphore] = {}
        self._named: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def taken(
        self, limits: Mapping[str, int], account: str = "", account_limit: int = 0
    ) -> AsyncGenerator[None]:
        """One slot of each limit, held until the block is left.

        Args:
            limits: Named limits and their sizes; the first size seen for a name is in force.
            account: The agent's account; empty for commands.
            account_limit: Turns at once on *account*.
        """
        async with AsyncExitStack() as stack:
            for name in sorted(limits):
                one = self._named.setdefault(name, asyncio.Semaphore(limits[name]))
                await stack.enter_async_context(one)
            if account:
                one = self._accounts.setdefault(account, asyncio.Semaphore(account_limit))
                await stack.enter_async_context(one)
            await stack.enter_async_context(self._run)
            yield


class Deadline:
    """A wall-time limit that does not run while everything it covers waits for a slot.

    Limits nest: what waits or works within one counts for those around it, too.

    Args:
        seconds: The limit; ``None``: no limit.
        told: Told that such a wait begins (``True``) or is over; of real waits only.

    Attributes:
        waited_s: How long these waits took together.
    """

    def __init__(
        self, seconds: float | None, told: Callable[[bool], None] = lambda _: None
    ) -> None:
        self.waited_s = 0.0
        self._told = told
        self._stands_since: float | None = None
        self._timeout = asyncio.timeout(seconds)
        self._running = seconds is not None
        self._left_s = seconds or 0.0
        self._waiting = 0
        self._working = 0
        self._around: Deadline | None = None
        self._token: Token[Deadline | None] | None = None

    async def __aenter__(self) -> None:
        """Starts the clock."""
        self._around = _CURRENT.get()
        self._token = _CURRENT.set(self)
        await self._timeout.__aenter__()
        _RUNNING[self] = asyncio.get_running_loop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops it; raises ``TimeoutError`` if it ran out."""
        _RUNNING.pop(self, None)
        self._end_wait()
        self._running = False  # tasks that outlive the block still count, but move nothing
        if self._token is not None:
            _CURRENT.reset(self._token)
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def expired(self) -> bool:
        """Whether the limit was reached."""
        return self._timeout.expired()

    def prolong(self, seconds: float) -> None:
        """The limit ends *seconds* later."""
        when = self._timeout.when()
        if self._running and when is not None and not self._timeout.expired():
            self._timeout.reschedule(when + seconds)

    def count(self, waiting: int, working: int) -> None:
        """Changes how many waits and works go on within this limit and those around it."""
        self._waiting += waiting
        self._working += working
        self._move()
        if self._waiting > 0 and self._working == 0:
            # a slot that is free is taken within this step of the loop: nobody waited
            asyncio.get_running_loop().call_soon(self._begin_wait)
        else:
            self._end_wait()
        if self._around is not None:
            self._around.count(waiting, working)

    def _begin_wait(self) -> None:
        open_ = self in _RUNNING
        if open_ and self._stands_since is None and self._waiting > 0 and self._working == 0:
            self._stands_since = asyncio.get_running_loop().time()
            self._told(True)

    def _end_wait(self) -> None:
        if self._stands_since is not None:
            self.waited_s += asyncio.get_running_loop().time() - self._stands_since
            self._stands_since = None
            self._told(False)

    def _move(self) -> None:
        if not self._running or self._timeout.expired():
            return
        now = asyncio.get_running_loop().time()
        stands = self._waiting > 0 and self._working == 0
        when = self._timeout.when()
        if stands and when is not None:
            self._left_s = when - now
            self._timeout.reschedule(None)
        elif not stands and when is None:
            self._timeout.reschedule(now + self._left_s)


_CURRENT: ContextVar[Deadline | None] = ContextVar("orchcore_deadline", default=None)
_RUNNING: dict[Deadline, asyncio.AbstractEventLoop] = {}


def stood_still(seconds: float) -> None:
    """This process was stopped for *seconds*, which count for no limit of the running loop."""
    loop = asyncio.get_running_loop()
    for deadline in [one for one, its_loop in _RUNNING.items() if its_loop is loop]:
        deadline.prolong(seconds)


@contextmanager
def waiting() -> Generator[None]:
    """A wait for slots: the limits around it stand, unless other work within them goes on."""
    with _counted(1, 0):
        yield


@contextmanager
def working() -> Generator[None]:
    """Work that the limits around it are meant for."""
    with _counted(0, 1):
        yield


@contextmanager
def _counted(waits: int, works: int) -> Generator[None]:
    deadline = _CURRENT.get()
    if deadline is None:
        yield
        return
    deadline.count(waits, works)
    try:
        yield
    finally:
        deadline.count(-waits, -works)
