"""Wires that give another type than the parameter takes."""

from collections.abc import Sequence

from orchcore import Source, maybe, phase, use
from pipeline import (
    Design,
    Patch,
    Plan,
    Review,
    Task,
    approved,
    count,
    design,
    measure,
    names,
    plan,
    review,
    tasks,
    title,
)


@phase
async def wrong_class(
    d: Design = use(plan),  # mistake: wire-of-another-class
    n: str = use(count),  # mistake: wire-int-as-str
    s: list[str] = use(title),  # mistake: wire-str-as-list
    t: list[str] = use(tasks),  # mistake: wire-list-of-another-element
    u: list[str] = use(names),  # mistake: wire-set-as-list
    v: Sequence[Plan] = use(plan),  # mistake: wire-single-as-list
    w: int = use(approved),  # mistake: wire-gate-of-another-class
    x: Task = use(tasks),  # mistake: wire-list-as-element
) -> None: ...


@phase
async def not_a_source(
    a: Plan = plan,  # mistake: forgotten-use
    b: Plan = use(use(plan)),  # mistake: use-of-use
    c: Plan = use(Plan),  # mistake: use-of-a-class
    d: Plan = use("plan"),  # mistake: use-of-a-name
    e: int = use(measure),  # mistake: use-of-a-step
    f: list[Plan] = use([plan, plan]),  # mistake: use-of-a-list-of-sources
    g: Plan = use(plan.fn),  # mistake: use-of-the-plain-function
    h: Plan = use,  # mistake: use-not-called
    i: Plan = use(),  # mistake: use-of-nothing
    j: Plan = use(plan, design),  # mistake: use-of-two-sources
    k: Plan = use(source=plan),  # mistake: use-by-keyword
    m: bool = use(plan.where(lambda p: p.risky)),  # mistake: use-of-a-condition
    n: Plan = Plan,  # mistake: class-as-default
    o: Plan = maybe(maybe(plan)),  # mistake: maybe-of-maybe
    q: Plan = use(plan, default=None),  # mistake: use-with-a-default
    r: Plan = use(plan.session),  # mistake: session-as-value
    s: list[object] = use(tasks),  # mistake: list-widened
    p: Plan = use(phase),  # mistake: use-of-the-decorator
) -> None: ...


@phase
async def perhaps(
    d: Design = maybe(design),  # mistake: maybe-as-certain
    r: Review | None = maybe(review),  # mistake: maybe-fan-out-as-single
    i: int | None = maybe(measure),  # mistake: maybe-of-a-step
    t: list[Task | None] = maybe(tasks),  # mistake: maybe-as-list-of-optional
    p: Plan | None = maybe(plan),
) -> list[str]:
    return p.steps  # mistake: maybe-used-without-none-check


@phase
async def parts(
    a: int = use(plan.pick(lambda p: p.steps)),  # mistake: pick-gives-another-type
    b: list[str] = use(plan.pick(lambda p: p.stps)),  # mistake: pick-of-unknown-attribute
    c: list[str] = use(plan.pick("steps")),  # mistake: pick-by-name
    d: list[str] = use(plan.steps),  # mistake: attribute-of-a-phase
    e: list[str] = use(plan["steps"]),  # mistake: item-of-a-phase
    f: list[str] = use(review.pick(lambda r: r.notes)),  # mistake: pick-of-a-fan-out-as-of-one
    g: list[str] = use(plan.pick(lambda: ["x"])),  # mistake: pick-without-argument
    h: Plan = use(plan.pick(lambda p: p.steps[0])),  # mistake: pick-gives-element
    i: str = use(title.pick(str.upper, str.lower)),  # mistake: pick-of-two-functions
    j: str = use(measure.pick(str)),  # mistake: pick-of-a-step
) -> None: ...


@phase
async def joined(
    a: Plan = use(plan | design),  # mistake: join-as-first-type
    b: Design = use(plan | design),  # mistake: join-as-second-type
    c: Plan = use(plan | "design"),  # mistake: join-with-a-name
    d: Plan = use(plan & design),  # mistake: and-of-sources
    e: Plan | Review = use(plan | review),  # mistake: join-with-a-fan-out-as-single
    f: Plan | int = use(plan | measure),  # mistake: join-with-a-step
    g: Plan = use(plan | plan.where(lambda p: p.risky)),  # mistake: join-with-a-condition
    h: Plan = use(~plan),  # mistake: not-of-a-source
    i: Plan | None = use(plan | None),  # mistake: join-with-none
    j: tuple[Plan, Design] = use(plan | design),  # mistake: join-as-pair
) -> None: ...


wrong_source: Source[Patch] = plan  # mistake: source-of-another-class
