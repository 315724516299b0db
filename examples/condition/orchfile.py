"""Conditions: which branch runs depends on a value; `|` takes the branch that ran.

    orchcore run examples/condition --text "fix a typo"
    orchcore run examples/condition --no-notes

A phase whose condition does not hold is skipped, and so is what needs it; `maybe` takes None.
"""

from orchcore import Agent, agent, maybe, param, phase, use

text = param("rewrite the login and the session store", help="what is to be done")


@phase
async def words(text: str = text) -> int:
    return len(text.split())


long = words.where(lambda count: count > 4)


@agent(when=long)
async def careful(ai: Agent, text: str = text) -> str:
    return await ai.ask(f"Think of every risk, then answer: {text}")


@phase(when=~long)
async def quick(text: str = text) -> str:
    return f"just do it: {text}"


@agent(when=param(True, name="notes"))
async def notes(ai: Agent, count: int = use(words)) -> str:
    return await ai.ask(f"A release note of {count} words.")


@phase
async def answer(text: str = use(careful | quick), note: str | None = maybe(notes)) -> str:
    return f"{text} ({note or 'without a note'})"
