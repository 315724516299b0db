"""Rate limits: an account that met one is left alone until it may be used again.

The rules:

1. A limit closes the account's gate for all turns of all runs of this user; one that is told to be
   of one model, only that model's. The later deadline wins; a turn that began before a gate closed
   never opens it.
2. When the time is over one turn is let through, then 2, 4, ... at once, as they succeed; after
   that any number. A limit on the way closes the gate again, for longer each time.
3. The first turns of a run on an account are let through in a ramp, too.
4. Nobody holds a lock or a slot while waiting.
"""

import os
from collections.abc import Callable, Iterable
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
class Scope:
    """What limits may be of.

    Attributes:
        account: Whose they are.
        model: As it was asked for; empty: the account's own choice.
    """

    account: str
    model: str = ""

    @property
    def gates(self) -> tuple[str, str]:
        """The account's gate and the model's."""
        return self.account, f"{self.account} model {self.model or 'default'}"


@dataclass(frozen=True, slots=True)
class Entered:
    """A gate that let somebody through.

    Attributes:
        gate: Which.
        generation: How often it had closed by then.
        lease: Its id, if the account is being tried out.
    """

    gate: str
    generation: int = 0
    lease: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to start a turn.

    Attributes:
        scope: On which account, with which model.
        gates: What was found of the gates that it went through: the account's, then the model's.
    """

    scope: Scope
    gates: tuple[Entered, ...]


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

    def closed_s(self, scope: Scope) -> float:
        """For how many seconds a gate of *scope* is closed; 0 if none is."""
        return max(self._left_s(self._gates.read(gate)) for gate in scope.gates)

    async def enter(self, scope: Scope, waits: Callable[[float], None]) -> Pass:
        """Waits until a turn may start.

        Args:
            scope: On which account, with which model.
            waits: Told how many seconds a gate is closed, before each real wait.
        """
        while True:
            closed_s = self.closed_s(scope)
            if closed_s > 0:
                waits(closed_s)
                await self._clock.sleep(min(closed_s, LONG_LOOK_S))
                continue
            if self._running.get(scope.account, 0) < self._ramp(scope.account):
                entered = self._entered(scope)
                if entered is not None:
                    self._running[scope.account] = self._running.get(scope.account, 0) + 1
                    return entered
            await self._clock.sleep(LOOK_S)

    def leave(self, entered: Pass, *, well: bool) -> None:
        """The turn is over; *well*: the account answered it."""
        account = entered.scope.account
        self._running[account] = self._running.get(account, 1) - 1
        self._give_back(entered.gates, well=well)

    def close(self, entered: Pass, failure: Failure) -> float:
        """*failure* says that a limit was met; for how many seconds there is no way now.

        The state is on disk when this returns.
        """
        gate = entered.gates[-1 if failure.of_model else 0]
        account = entered.scope.account
        self._gates.change(gate.gate, lambda found: self._closed(found, account, gate, failure))
        return self.closed_s(entered.scope)

    def _entered(self, scope: Scope) -> Pass | None:
        """Leave to go through all gates of *scope*; ``None`` if one of them is full."""
        gates: list[Entered] = []
        for gate in scope.gates:
            state = self._gates.read(gate)
            lease = ""
            if state.width:
                lease = uuid4().hex
                state = self._gates.change(gate, partial(self._leased, lease))
                if not any(one.id == lease for one in state.leases):
                    self._give_back(gates, well=False)
                    return None
            gates.append(Entered(gate, state.generation, lease))
        return Pass(scope, tuple(gates))

    def _give_back(self, gates: Iterable[Entered], *, well: bool) -> None:
        for one in gates:
            if one.lease:
                self._gates.change(one.gate, partial(_given_back, one, well=well))

    def _closed(
        self, state: GateState, account: str, entered: Entered, failure: Failure
    ) -> GateState:
        closings = max(1, state.closings + (entered.generation == state.generation))
        wait_s = self._told_s(failure)
        if wait_s is None:
            wait_s = min(FIRST_CLOSING_S * 2.0 ** (closings - 1), LONGEST_CLOSING_S)
        elif closings > 1:
            again_s = min(SHORTEST_AGAIN_S * 2.0 ** (closings - 2), LONGEST_CLOSING_S)
            wait_s = max(wait_s, again_s)
        until_s = max(wait_s, self._left_s(state))
        return replace(
            state,
            account=account,
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


def _given_back(entered: Entered, state: GateState, *, well: bool) -> GateState:
    """*state* without a lease; a success of this generation lets twice as many through."""
    leases = tuple(one for one in state.leases if one.id != entered.lease)
    if not well or entered.generation != state.generation:
        return replace(state, leases=leases)
    width = min(2 * state.width, WIDEST) if state.width else 0
    if width >= WIDEST:
        return replace(state, leases=(), width=0, closings=0, closed_until_boot=0.0)
    return replace(state, leases=leases, width=width, closings=0)
