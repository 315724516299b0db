"""Rate limits: an account that met one is left alone until it may be used again.

The rules:

1. A limit closes the account's gate for all turns of all runs of this user. The later deadline
   wins; a turn that began before the gate closed never opens it.
2. When the time is over one turn is let through, then 2, 4, ... at once, as they succeed; after
   that any number. A limit on the way closes the gate again, for longer each time.
3. The first turns of a run on an account are let through in a ramp, too.
4. Nobody holds a lock or a slot while waiting.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import psutil

from orchcore.execution.clock import Clock
from orchcore.journal.gate_files import Gates, GateState, Lease
from orchcore.journal.origin import boot_id
from orchcore.results import Failure

LOOK_S, LONG_LOOK_S = 0.1, 60.0
"""So often a gate is looked at: while others try the account out, and while it is closed."""
FIRST_CLOSING_S, LONGEST_CLOSING_S = 30.0, 900.0
"""Of a limit without a time; it doubles with each further one."""
SHORTEST_AGAIN_S = 1.0
"""Of a limit that is met again at once, whatever time it tells; it doubles, too."""
WIDEST = 16
"""So many at once, and the account counts as well again."""
FIRST_WIDTH, RAMP_S = 8, 0.25
"""So many of the first turns start at once; twice as many after each ``RAMP_S``."""
LEASE_S = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to start a turn.

    Attributes:
        account: On which.
        generation: How often its gate had closed by then.
        lease: Its id, if the account is being tried out.
    """

    account: str
    generation: int
    lease: str = ""


class Governor:
    """Lets turns through, one account at a time.

    Args:
        gates: Where states are kept.
        clock: Tells the time.

    Attributes:
        gave_up: Whether something failed because it would have had to wait for too long.
    """

    def __init__(self, gates: Gates, clock: Clock) -> None:
        self._gates = gates
        self._clock = clock
        self._boot_id = boot_id()
        self._running: dict[str, int] = {}
        self._first: dict[str, float] = {}
        self.gave_up = False

    def closed_s(self, account: str) -> float:
        """For how many seconds the gate of *account* is closed; 0 if it is not."""
        return self._left_s(self._gates.read(account))

    async def enter(self, account: str, waits: Callable[[float], None]) -> Pass:
        """Waits until a turn may start on *account*.

        Args:
            account: On which.
            waits: Told how many seconds the gate is closed, before each real wait.
        """
        while True:
            state = self._gates.read(account)
            closed_s = self._left_s(state)
            if closed_s > 0:
                waits(closed_s)
                await self._clock.sleep(min(closed_s, LONG_LOOK_S))
                continue
            if self._running.get(account, 0) >= self._ramp(account):
                await self._clock.sleep(LOOK_S)
                continue
            if not state.width:
                return self._let_through(Pass(account, state.generation))
            lease = uuid4().hex
            state = self._gates.change(account, partial(self._leased, lease))
            if any(one.id == lease for one in state.leases):
                return self._let_through(Pass(account, state.generation, lease))
            await self._clock.sleep(LOOK_S)

    def leave(self, entered: Pass, *, well: bool) -> None:
        """The turn is over; *well*: the account answered it."""
        account = entered.account
        self._running[account] = self._running.get(account, 1) - 1
        if entered.lease:
            self._gates.change(account, lambda state: _given_back(state, entered, well=well))

    def close(self, entered: Pass, failure: Failure) -> float:
        """*failure* says that the account's limit was met; for how many seconds it is closed now.

        The state is on disk when this returns.
        """
        state = self._gates.change(
            entered.account, lambda found: self._closed(found, entered, failure)
        )
        return self._left_s(state)

    def _let_through(self, entered: Pass) -> Pass:
        self._running[entered.account] = self._running.get(entered.account, 0) + 1
        return entered

    def _closed(self, state: GateState, entered: Pass, failure: Failure) -> GateState:
        closings = state.closings + (entered.generation == state.generation)
        wait_s = self._told_s(failure)
        if wait_s is None:
            wait_s = min(FIRST_CLOSING_S * 2.0 ** (closings - 1), LONGEST_CLOSING_S)
        elif closings > 1:
            again_s = min(SHORTEST_AGAIN_S * 2.0 ** (closings - 2), LONGEST_CLOSING_S)
            wait_s = max(wait_s, again_s)
        until_s = max(wait_s, self._left_s(state))
        return replace(
            state,
            account=entered.account,
            boot_id=self._boot_id,
            closed_until_boot=self._clock.boot() + until_s,
            closed_until_unix=self._clock.unix() + until_s,
            closings=closings,
            generation=state.generation + 1,
            width=1,
            leases=tuple(one for one in state.leases if one.id != entered.lease),
        )

    def _told_s(self, failure: Failure) -> float | None:
        """How long to wait, as the other side said; ``None`` if it did not."""
        told = [] if failure.retry_after_s is None else [failure.retry_after_s]
        if failure.resets_at is not None:
            told.append(failure.resets_at - self._clock.unix())
        return max(0.0, *told) if told else None

    def _left_s(self, state: GateState) -> float:
        if not state.closed_until_boot:
            return 0.0
        if state.boot_id == self._boot_id:
            return max(0.0, state.closed_until_boot - self._clock.boot())
        return max(0.0, state.closed_until_unix - self._clock.unix())

    def _leased(self, lease: str, state: GateState) -> GateState:
        now_s = self._clock.boot()
        if self._left_s(state) > 0 or not state.width:
            return state
        leases = tuple(
            one for one in state.leases if one.until_boot > now_s and psutil.pid_exists(one.pid)
        )
        if len(leases) < state.width:
            leases += (Lease(lease, os.getpid(), now_s + LEASE_S),)
        return replace(state, leases=leases)

    def _ramp(self, account: str) -> float:
        """How many turns may run at once on *account*, since when its first one started."""
        now_s = self._clock.boot()
        since_s = now_s - self._first.setdefault(account, now_s)
        doublings: float = min(since_s / RAMP_S, 20.0)
        return float(FIRST_WIDTH * 2.0**doublings)


def _given_back(state: GateState, entered: Pass, *, well: bool) -> GateState:
    """*state* without a lease; a success of this generation lets twice as many through."""
    leases = tuple(one for one in state.leases if one.id != entered.lease)
    if not well or entered.generation != state.generation:
        return replace(state, leases=leases)
    width = min(2 * state.width, WIDEST) if state.width else 0
    if width >= WIDEST:
        return replace(state, leases=(), width=0, closings=0, closed_until_boot=0.0)
    return replace(state, leases=leases, width=width, closings=0)
