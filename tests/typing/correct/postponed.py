"""Postponed annotations change nothing: wiring never reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import assert_type

from orchcore import Agent, agent, each, param, phase, resource, settled, use
from orchcore.results import Outcome


@dataclass(frozen=True)
class Draft:
    later: Later
    parts: list[Later]


@dataclass(frozen=True)
class Later:
    text: str


@resource
async def numbers(start: int = param(1)) -> AsyncIterator[list[int]]:
    yield [start]


@agent
async def draft(ai: Agent, topic: str = param(), ns: list[int] = use(numbers)) -> Draft:
    return await ai.ask(f"{topic} {ns}", Draft)


@agent(parallel=2)
async def polish(ai: Agent, part: Later = each(draft.pick(lambda d: d.parts))) -> Later:
    return await ai.ask(part.text, Later)


@phase.step
async def shorten(later: Later, by: int) -> str:
    return later.text[:-by]


short = shorten.parallel(2, later=each(polish), by=each([1, 2]))


@phase
async def done(
    texts: list[str] = use(short), all_of: list[Outcome[Later]] = use(settled(polish))
) -> str:
    return f"{texts} {len(all_of)}"


assert_type(use(draft), Draft)
assert_type(use(polish), list[Later])
assert_type(each(polish), Later)
assert_type(use(short), list[str])
assert_type(use(numbers), list[int])
