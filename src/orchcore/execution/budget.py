"""Money: what may be spent, what is held for turns that run, and what they came to.

A turn that falls under a budget starts only once there is money for what it will likely cost: that
much is held for it. What it reports while it runs is taken from what is held. So a budget is never
overdrawn by more than what running turns cost beyond what was held for them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from orchcore.results import Failure

FLOOR_USD = 0.001
"""Held at least, also for a turn that is known to cost nothing."""


@dataclass(slots=True)
class Purse:
    """One budget.

    Attributes:
        name: ``the run``, ``phase review``.
        limit_usd: What may be spent of it.
        spent_usd: What was, earlier processes included.
    """

    name: str
    limit_usd: float
    spent_usd: float = 0.0
    _held: set["Held"] = field(default_factory=set["Held"])

    @property
    def free_usd(self) -> float:
        """What is neither spent nor held."""
        return self.limit_usd - self.spent_usd - sum(held.usd for held in self._held)

    @property
    def in_use(self) -> bool:
        """Whether something is held, and may be given back."""
        return bool(self._held)

    def hold(self, held: "Held") -> None:
        """Keeps money for a turn."""
        self._held.add(held)

    def give_back(self, held: "Held", spent_usd: float) -> None:
        """The turn is over and cost *spent_usd*."""
        self._held.discard(held)
        self.spent_usd += spent_usd


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn that wants to start.

    Attributes:
        node: The phase that asks.
        agent: Agent and model: turns that likely cost alike.
        estimate_usd: What the user says that it costs.
        limit_usd: What it may cost alone; ``None``: no limit.
    """

    node: str
    agent: str
    estimate_usd: float | None = None
    limit_usd: float | None = None


@dataclass(slots=True, eq=False)
class Held:
    """What is held for one turn.

    Attributes:
        claim: Whose it is.
        purses: What it is held in.
        reserved_usd: What was held when it began.
        metered_usd: What it has reported so far.
        probes: Whether it is the first of its kind, by which the others are judged.
        begun: Whether its turn has started, so that it may cost something.
        settled: Whether what it cost is booked.
    """

    claim: Claim
    purses: tuple[Purse, ...]
    reserved_usd: float = 0.0
    metered_usd: float = 0.0
    probes: bool = False
    begun: bool = False
    settled: bool = False

    @property
    def counts(self) -> bool:
        """Whether anybody wants to know what it costs while it runs."""
        return bool(self.purses) or self.claim.limit_usd is not None

    @property
    def usd(self) -> float:
        """What is held now."""
        return max(self.reserved_usd, self.metered_usd)


class Treasury:
    """The budgets of a run.

    Args:
        run_usd: What the run may cost; ``None``: no limit.
        phases_usd: The same of phases that have a budget of their own, by id.
        spent_usd: What earlier processes spent, by phase.
        costs_usd: What single turns of earlier processes cost, by phase and agent.
    """

    def __init__(
        self,
        run_usd: float | None = None,
        phases_usd: Mapping[str, float] | None = None,
        spent_usd: Mapping[str, float] | None = None,
        costs_usd: Mapping[tuple[str, str], list[float]] | None = None,
    ) -> None:
        spent = spent_usd or {}
        self._run = None if run_usd is None else Purse("the run", run_usd, sum(spent.values()))
        self._phases = {
            node: Purse(f"phase {node}", usd, spent.get(node, 0.0))
            for node, usd in (phases_usd or {}).items()
        }
        self._costs = {pair: [*costs] for pair, costs in (costs_usd or {}).items()}
        self._probing: set[str] = set()
        self._changed = asyncio.Condition()

    def left_usd(self, node: str) -> float | None:
        """What the phase *node* may still spend; ``None``: nothing limits it."""
        purses = self._purses(Claim(node, ""))
        return min((max(0.0, purse.free_usd) for purse in purses), default=None)

    async def hold(self, claim: Claim) -> Held | Failure:
        """Waits until there is money for *claim*, or there never will be."""
        held = Held(claim, self._purses(claim))
        if not held.purses:
            return held
        async with self._changed:
            while True:
                likely_usd = self._likely_usd(claim)
                if likely_usd is None and claim.agent in self._probing:
                    await self._changed.wait()
                    continue
                wanted_usd = max(likely_usd or 0.0, FLOOR_USD)
                short = next((one for one in held.purses if one.free_usd < wanted_usd), None)
                if short is None:
                    break
                if not short.in_use or short.limit_usd - short.spent_usd < wanted_usd:
                    return _exhausted(short, wanted_usd)
                await self._changed.wait()
            held.reserved_usd = wanted_usd
            held.probes = likely_usd is None
            if held.probes:
                self._probing.add(claim.agent)
            for purse in held.purses:
                purse.hold(held)
        return held

    def meter(self, held: Held, usd: float) -> Failure | None:
        """The turn has cost *usd* so far; the failure with which it is to be ended, if so."""
        held.metered_usd = max(held.metered_usd, usd)
        limit_usd = held.claim.limit_usd
        if limit_usd is not None and usd > limit_usd:
            return Failure("budget", f"cost ${usd:.2f} so far, of ${limit_usd:.2f} (budget)")
        if held.metered_usd <= held.reserved_usd:
            return None
        over = next((purse for purse in held.purses if purse.free_usd < 0), None)
        return None if over is None else _exhausted(over, usd)

    async def let_go(self, held: Held) -> None:
        """The turn is over, however it ended: one that was cut counts as what was held for it.

        One that never started costs nothing.
        """
        if held.settled:
            return
        if held.begun:
            await self.settle(held, None)
            return
        held.settled = True
        async with self._changed:
            for purse in held.purses:
                purse.give_back(held, 0.0)
            self._probing -= {held.claim.agent} if held.probes else set()
            self._changed.notify_all()

    async def book(self, claim: Claim, usd: float | None) -> None:
        """A turn that another process started cost *usd*."""
        await self.settle(Held(claim, self._purses(claim), begun=True), usd)

    async def settle(self, held: Held, usd: float | None, *, answered: bool = True) -> float | None:
        """The turn is over and cost *usd*; what it counts as if that is unknown.

        ``None`` where nothing is held, or its price is known. What turns cost that *answered* tells
        what others will.
        """
        booked_usd = held.usd if usd is None else usd
        held.settled = True
        if usd is not None and answered:
            pair = (held.claim.node, held.claim.agent)
            self._costs.setdefault(pair, []).append(usd)
        if not held.purses:
            return None
        async with self._changed:
            for purse in held.purses:
                purse.give_back(held, booked_usd)
            if held.probes:
                self._probing.discard(held.claim.agent)
                if usd is None:  # the next one knows as much as this one did
                    self._costs.setdefault((held.claim.node, held.claim.agent), [booked_usd])
            self._changed.notify_all()
        return booked_usd if usd is None else None

    def _purses(self, claim: Claim) -> tuple[Purse, ...]:
        purses = self._run, self._phases.get(claim.node)
        return tuple(purse for purse in purses if purse is not None)

    def _likely_usd(self, claim: Claim) -> float | None:
        """The 90th percentile of what such turns cost, or what the user says, if that is more."""
        costs = self._costs.get((claim.node, claim.agent)) or [
            cost
            for (_, agent), found in self._costs.items()
            if agent == claim.agent
            for cost in found
        ]
        known = [] if claim.estimate_usd is None else [claim.estimate_usd]
        if costs:
            known.append(sorted(costs)[ceil(0.9 * len(costs)) - 1])
        return max(known, default=None)


def _exhausted(purse: Purse, wanted_usd: float) -> Failure:
    detail = (
        f"the budget of {purse.name} is exhausted: {_usd(purse.spent_usd)} of "
        f"{_usd(purse.limit_usd)} is spent, a turn needs {_usd(wanted_usd)}"
    )
    return Failure("budget", detail)


def _usd(usd: float) -> str:
    """``$0.24``; with more digits where that would say nothing."""
    return f"${usd:.2f}" if usd >= 0.01 or not usd else f"${usd:.2g}"
