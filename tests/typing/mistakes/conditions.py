"""Conditions, gates and outcomes."""

from orchcore import Err, Ok, Outcome, approve, each, phase, settled, use
from pipeline import (
    Plan,
    Review,
    Task,
    approved,
    audit,
    chosen,
    count,
    design,
    measure,
    plan,
    review,
    tasks,
    title,
)


async def plain() -> str:
    return "done"


async def is_risky(plan: Plan) -> bool:
    return plan.risky


risky = plan.where(lambda p: p.risky)
a1 = plan.where(lambda p: p.rsky)  # mistake: where-unknown-attribute
a2 = plan.where(lambda p: p.steps)  # mistake: where-is-no-bool
a3 = plan.where("risky")  # mistake: where-by-name
a4 = plan.where()  # mistake: where-without-predicate
a5 = plan.where(is_risky)  # mistake: where-async
a6 = plan.where(lambda p: p.risk == "hgih")  # mistake: where-literal-typo
a7 = review.where(lambda r: r.score > 3)  # mistake: where-of-a-fan-out-as-of-one
a8 = count.where(lambda n: n > "3")  # mistake: where-compares-other-types
a9 = plan.where(lambda: True)  # mistake: where-without-argument
b1 = plan.where(True)  # mistake: where-a-bool
b2 = plan.where(risky=True)  # mistake: where-by-keyword
b3 = phase(when=risky & design)(plain)  # mistake: condition-and-source
b4 = phase(when=risky | True)(plain)  # mistake: condition-or-bool
b5 = phase(when=-risky)(plain)  # mistake: condition-minus
b6 = phase(when=plan & design)(plain)  # mistake: sources-as-condition
b7 = phase(when=risky + risky)(plain)  # mistake: conditions-added
b8 = phase(when=plan | design)(plain)  # mistake: join-as-condition
b9 = phase(when=title.where(lambda t: t.startswith(3)))(plain)  # mistake: where-wrong-argument
c1 = phase(when=risky and design)(plain)  # mistake: condition-and-source-by-word
c2 = phase(when=risky or design)(plain)  # mistake: condition-or-source-by-word
c4 = phase(when=risky and "x")(plain)  # mistake: condition-and-str-by-word
c5 = phase(when=risky and plan.wher(lambda p: p.risky))(plain)  # mistake: misspelt-after-and
c6: str = not risky  # mistake: negated-condition-as-str

g1 = approve(plan)  # mistake: gate-without-question
g2 = approve(plan, lambda p: f"{p.stps}?")  # mistake: gate-unknown-attribute
g3 = approve(plan, lambda p: p.steps)  # mistake: gate-question-is-no-str
g4 = approve(plan, "Go?", each=True)  # mistake: item-gate-of-a-single-value
g5 = approve(tasks, lambda t: t.title)  # mistake: gate-of-a-list-as-of-items
g6 = approve(tasks, lambda ts: ts[0].title, each=True)  # mistake: item-gate-as-of-a-list
g7 = approve("plan", "Go?")  # mistake: gate-by-name
g8 = approve(measure, "Go?")  # mistake: gate-of-a-step
g9 = approve(plan, 3)  # mistake: gate-question-is-a-number
h1 = approve(tasks, "Go?", each="yes")  # mistake: item-gate-flag-as-str
h2 = approve(use(plan), "Go?")  # mistake: gate-of-a-used-value
h3 = approve(plan, "Go?", True)  # mistake: item-gate-flag-by-position
h4 = approve(title, "Go?", each=True)  # mistake: item-gate-of-a-str
h5 = approve(audit, lambda found: found.title, each=True)  # mistake: item-gate-unknown-attribute
h6 = approve(plan, "Go?", timeout="5m")  # mistake: gate-unknown-option
h9 = approve(plan, "Go?").session  # mistake: session-of-an-approval
i1 = settled(plan).session  # mistake: session-of-an-outcome
i2 = approve(settled, "Go?")  # mistake: gate-of-a-function
h7 = approve(risky, "Go?")  # mistake: gate-of-a-condition


@phase
async def gated(
    a: Review = use(approved),  # mistake: gate-as-another-class
    b: Task = use(chosen),  # mistake: item-gate-used-as-one
    c: list[Plan] = use(approved),  # mistake: gate-as-list
    d: list[Task] = each(chosen),  # mistake: item-gate-each-as-list
    e: Plan = each(approved),  # mistake: each-of-a-whole-gate
    f: bool = use(approved),  # mistake: gate-as-bool
) -> None: ...


@phase(parallel=2)
async def outcomes(
    a: Plan = use(settled(plan)),  # mistake: outcome-as-value
    b: list[Review] = use(settled(review)),  # mistake: outcomes-as-values
    c: Outcome[Review] = use(settled(review)),  # mistake: outcomes-as-one
    d: Outcome[Plan] = use(settled(review)),  # mistake: outcome-of-another-class
    e: list[Outcome[Plan]] = use(settled(plan)),  # mistake: outcome-as-list
    f: Review = each(settled(review)),  # mistake: element-outcome-as-value
    g: Outcome[Plan] = settled(plan),  # mistake: settled-without-use
    h: Outcome[Plan] = each(settled(plan)),  # mistake: each-of-one-outcome
    i: Outcome[int] = use(settled(measure)),  # mistake: settled-step
    j: Ok[Plan] = use(settled(plan)),  # mistake: outcome-as-ok
    k: Outcome[list[Review]] = use(settled(review)),  # mistake: outcomes-as-outcome-of-list
    m: Plan | None = use(settled(plan)),  # mistake: outcome-as-optional
    n: Outcome[Plan] = use(plan),  # mistake: value-as-outcome
    outcome: Outcome[Plan] = use(settled(plan)),
    all_outcomes: list[Outcome[Review]] = use(settled(review)),
) -> str:
    print(outcome.value)  # mistake: outcome-value-without-match
    print(outcome.failure)  # mistake: outcome-failure-without-match
    print(outcome.steps)  # mistake: outcome-used-as-value
    print([o.value.notes for o in all_outcomes])  # mistake: outcomes-used-as-values
    match outcome:
        case Ok(value=found):
            print(found.stps)  # mistake: matched-value-unknown-attribute
        case Err(failure=failure):
            print(failure.message)  # mistake: matched-failure-unknown-attribute
    if isinstance(outcome, Err):
        return outcome.value  # mistake: value-of-an-err
    return outcome.value  # mistake: matched-value-of-another-type


@phase
async def forgot(o: Outcome[Plan] = use(settled(plan))) -> str:  # mistake: outcome-case-forgotten
    if isinstance(o, Ok):
        return o.value.summary


if risky:
    after_if: int = "a"  # mistake: wrong-type-below-a-tested-condition


@phase
async def tested(plan: Plan = use(plan), review: list[Plan] = use(plan)) -> str:  # mistake: wire-after-a-tested-condition
    if not risky:
        return 4  # mistake: return-below-a-tested-condition
    assert risky
    return plan.stps  # mistake: unknown-attribute-after-an-asserted-condition


after_module_if: int = "a"  # mistake: wrong-type-after-a-tested-condition
