"""Many values where one is expected, and one where many are."""

from enum import Enum

from orchcore import Agent, FanOut, agent, approve, each, maybe, param, phase, use
from pipeline import (
    Patch,
    Plan,
    Review,
    Task,
    attempt,
    audit,
    chosen,
    implement,
    measure,
    names,
    plan,
    review,
    second_opinion,
    tasks,
    title,
    weights,
)


class Lens(Enum):
    SPEED = "speed"
    STYLE = "style"


@phase
async def one_of_many(
    a: Review = use(review),  # mistake: fan-out-as-single
    b: list[Plan] = use(review),  # mistake: fan-out-of-another-element
    c: list[Plan] = use(plan),  # mistake: single-as-fan-out
    d: str = use(attempt),  # mistake: copies-as-single
    e: list[str] = use(audit),  # mistake: nested-fan-out-as-flat
    f: tuple[Review, ...] = use(review),  # mistake: fan-out-as-tuple
    g: dict[str, Review] = use(review),  # mistake: fan-out-as-dict
    h: Task = use(chosen),  # mistake: item-gate-as-single
) -> None: ...


@phase(parallel=2)
async def elements(
    a: Patch = each(review),  # mistake: each-of-another-element
    b: list[Review] = each(review),  # mistake: each-as-whole-list
    c: Task = use(tasks),  # mistake: forgotten-each
    d: Plan = each(plan),  # mistake: each-of-a-single-value
    e: str = each(title),  # mistake: each-of-a-str-source
    f: str = each("claude"),  # mistake: each-of-a-str
    g: str = each({"a", "b"}),  # mistake: each-of-a-set
    h: str = each({"a": 1}),  # mistake: each-of-a-dict
    i: int = each({1: 2}),  # mistake: each-of-a-dict-with-int-keys
    j: str = each(names),  # mistake: each-of-a-set-source
    k: int | str = each(weights),  # mistake: each-of-a-dict-source
    l: int = each(["a", "b"]),  # mistake: each-of-literals-of-another-type
    m: int = each(measure),  # mistake: each-of-a-step
    n: str = each(n for n in ["a", "b"]),  # mistake: each-of-a-generator
    o: Lens = each(Lens),  # mistake: each-of-an-enum-class
    p: str = each(audit),  # mistake: each-of-nested-lists-as-element
    q: int = each(3),  # mistake: each-of-a-number
    r: str = each(["a"], ["b"]),  # mistake: each-of-two-lists
    s: str = each(param("claude")),  # mistake: each-of-a-scalar-param
    t: bytes = each(b"abc"),  # mistake: each-of-bytes
    u: Plan = each([plan, plan]),  # mistake: each-of-a-list-of-sources
    v: Task = each(chosen, review),  # mistake: each-of-two-sources
    w: Task = each(use(tasks.pick(lambda ts: ts[0]))),  # mistake: each-of-one-used-value
    y: str = each(["a"], parallel=2),  # mistake: parallel-in-each
    z: Task = each(maybe(tasks)),  # mistake: each-of-a-maybe
    aa: int = each(approve(weights, "Go?", each=True)),  # mistake: each-of-a-gate-of-a-dict
    ab: str = each(frozenset(["a"])),  # mistake: each-of-a-frozenset
    x: str = each(enumerate(["a"])),  # mistake: each-of-an-iterator
) -> None: ...


@phase(parallel=2)
async def labelled(
    a: Task = each(tasks, label=lambda t: t.idd),  # mistake: label-of-unknown-attribute
    b: Task = each(tasks, label=lambda t: t.weight),  # mistake: label-is-no-str
    c: Task = each(tasks, after=lambda t: t.needed),  # mistake: after-of-unknown-attribute
    d: Task = each(tasks, after=lambda t: t.weight),  # mistake: after-is-a-number
    e: Task = each(tasks, after=lambda t: t.id),  # mistake: after-is-a-str
    f: Task = each(tasks, label="id"),  # mistake: label-by-name
    g: Task = each(tasks, lable=lambda t: t.id),  # mistake: label-misspelt
    h: Task = each(tasks, after=["a"]),  # mistake: after-is-a-list
    i: Task = each(tasks, label=lambda: "x"),  # mistake: label-without-argument
    j: Task = each(tasks, lambda t: t.id),  # mistake: label-by-position
    k: Task = each(tasks, after=lambda t: [t]),  # mistake: after-gives-elements
    l: str = each(["a"], label=lambda t: t.id),  # mistake: label-attribute-of-a-literal
    m: Review = each(review, label=lambda rs: rs[0].notes[0]),  # mistake: label-of-the-whole-list
) -> None: ...


@agent(parallel=2)
async def reviewed(ai: Agent, review: Review = each(review)) -> str:
    return await ai.ask(str(review.nots))  # mistake: unknown-attribute-in-a-body


narrow: FanOut[Review] = implement  # mistake: single-as-fan-out-source
wider: FanOut[Review] = second_opinion  # mistake: step-as-fan-out-source
