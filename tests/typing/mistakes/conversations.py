"""The agent handle and sessions."""

from pathlib import Path

from pydantic import BaseModel

from orchcore import Agent, TurnFailed, agent, each, phase, use
from pipeline import Patch, Plan, Review, approved, implement, plan, review, tasks


@agent
async def asking(ai: Agent, plan: Plan = use(plan)) -> Review:
    _a: Review = await ai.ask("Review.", Plan)  # mistake: ask-for-another-class
    _b: int = await ai.ask("How many?")  # mistake: ask-without-class
    _c = await ai.ask(Plan, "Plan.")  # mistake: ask-arguments-swapped
    _d = await ai.ask("Plan.", "Plan")  # mistake: ask-class-as-str
    _e = await ai.ask()  # mistake: ask-without-prompt
    _f = await ai.ask(plan, Plan)  # mistake: ask-prompt-is-no-str
    _g = await ai.ask("Plan.", Plan, Review)  # mistake: ask-for-two-classes
    _h = await ai.ask("Plan.", plan)  # mistake: ask-for-a-value
    _i = await ai.ask("Plan.", result=Plan)  # mistake: ask-class-by-keyword
    _j: Plan = await ai.ask("Plan.", BaseModel)  # mistake: ask-for-a-base-class
    print(plan.session)  # mistake: session-of-the-value
    ai.ask("Plan.")  # mistake: ask-not-awaited
    j = ai.ask("Plan.", Plan)
    print(j.steps)  # mistake: unawaited-answer-as-value
    k = await ai.ask("Plan.", Plan)
    print(k.stps)  # mistake: answer-without-such-attribute
    m = await ai.ask("Plans.", list[Plan])
    print(m.steps)  # mistake: list-answer-as-one
    return k  # mistake: answer-returned-as-another-class


@agent
async def handle(ai: Agent) -> str:
    ai.using(modle="opus")  # mistake: using-option-misspelt
    ai.using(3)  # mistake: using-a-number
    ai.using("codex", permission="write")  # mistake: using-permission-typo
    ai.using("codex", tools="Read")  # mistake: using-tools-as-str
    ai.using("codex", retries=2)  # mistake: using-option-of-a-node
    ai.using("codex", "opus")  # mistake: using-two-names
    await ai.using("codex")  # mistake: using-awaited
    await ai.fork()  # mistake: fork-awaited
    ai.fork("codex")  # mistake: fork-with-a-name
    print(ai.fork.name)  # mistake: fork-not-called
    print(ai.last().text)  # mistake: last-called
    print(ai.last.cost)  # mistake: last-unknown-attribute
    print(ai.last.cost_usd + 1)  # mistake: cost-may-be-unknown
    print(ai.feedback.strip())  # mistake: feedback-may-be-none
    print(ai.cwd + "/src")  # mistake: cwd-is-no-str
    ai.name = "codex"  # mistake: name-is-read-only
    ai.ask_all("Go.")  # mistake: unknown-method
    await ai.stream("Go.")  # mistake: stream-awaited
    for _event in ai.stream("Go."):  # mistake: stream-without-async
        pass
    async for event in ai.stream("Go."):
        print(event.text)  # mistake: attribute-of-some-events
    try:
        return await ai.ask("Go.")
    except TurnFailed as error:
        print(error.reason)  # mistake: failure-unknown-attribute
        if error.failure.kind == "timed_out":  # mistake: failure-kind-typo
            return ""
        return error.failure  # mistake: failure-returned-as-answer


@agent
async def single(ai: Agent = use(review.session)) -> str:  # mistake: fan-session-as-single
    return ai.name


@agent(parallel=2)
async def element(ai: Agent = each(implement.session)) -> str:  # mistake: each-of-a-single-session
    return ai.name


@agent
async def value(ai: Agent = use(plan)) -> str:  # mistake: phase-as-conversation
    return ai.name


@agent
async def source(ai: Agent = plan.session) -> str:  # mistake: session-without-use
    return ai.name


@agent
async def of_phase(ai: Agent = use(tasks.session)) -> str:  # mistake: session-of-a-plain-phase
    return ai.name


@agent
async def of_gate(ai: Agent = use(approved.session)) -> str:  # mistake: session-of-a-gate
    return ai.name


@agent
async def called(ai: Agent = use(plan.session())) -> str:  # mistake: session-called
    return ai.name


@phase
async def sessions(
    a: str = use(plan.session),  # mistake: session-as-str
    b: list[Patch] = use(review.session),  # mistake: sessions-as-values
    c: Path = use(plan.session.pick(lambda s: s.folder)),  # mistake: session-unknown-attribute
) -> None: ...
