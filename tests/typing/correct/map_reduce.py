"""A tree of summaries: a body that calls itself through steps, with gather at each level."""

from pathlib import Path
from typing import assert_type

from orchcore import Agent, TurnFailed, agent, gather, param, phase, use
from orchcore.results import FailureKind


@agent.step(timeout="5m", retries=1)
async def summarize(ai: Agent, text: str, words: int = 100) -> str:
    return await ai.ask(f"In {words} words: {text}")


@phase.step
async def combine(parts: list[str], width: int) -> str:
    if len(parts) <= width:
        return await summarize("\n".join(parts))
    groups = [parts[start : start + width] for start in range(0, len(parts), width)]
    level = await gather((combine(group, width) for group in groups), limit=4)
    assert_type(level, list[str])
    return await combine(level, width)


@phase.step(timeout="1m")
async def read(path: Path) -> str:
    return path.read_text()


@phase
async def summary(
    files: list[Path] = param(help="what to read"), width: int = param(8)
) -> tuple[str, FailureKind | None]:
    texts = await gather([read(path) for path in files])
    assert_type(texts, list[str])
    try:
        parts = await gather((summarize(text, words=50) for text in texts), limit=4, quorum=1)
        return await combine(parts, width), None
    except TurnFailed as error:
        if error.failure.kind == "quorum":
            return "", error.failure.kind
        raise


@phase
async def words(text: str = use(summary.pick(lambda s: s[0]))) -> int:
    return len(text.split())


async def unit_test() -> int:
    assert_type(await summary.fn([Path("a")], 8), tuple[str, FailureKind | None])
    return await words.fn("one two")


nested = combine.wired(parts=["a"], width=use(words))
assert_type(use(nested), str)
assert_type(use(summary), tuple[str, FailureKind | None])
