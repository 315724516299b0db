"""Steps and phases mixed up, steps called and wired with the wrong arguments."""

from orchcore import Agent, agent, each, param, phase, use
from pipeline import (
    Patch,
    Plan,
    Review,
    attempt,
    design,
    implement,
    measure,
    plan,
    review,
    second_opinion,
    tasks,
)


@phase
async def calling(patch: Patch = use(implement)) -> str:
    await measure(patch)  # mistake: step-argument-forgotten
    await measure(patch, "kB", 3)  # mistake: step-argument-extra
    await measure(patch, unitt="kB")  # mistake: step-argument-misspelt
    await measure("diff", "kB")  # mistake: step-argument-of-another-type
    await measure("kB", patch)  # mistake: step-arguments-swapped
    await measure(implement, "kB")  # mistake: step-called-with-a-phase
    measure(patch, "kB")  # mistake: step-not-awaited
    await plan()  # mistake: phase-called-in-a-body
    await plan  # mistake: phase-awaited-in-a-body
    await attempt(3)  # mistake: fan-out-called-in-a-body
    await measure.wired(patch, "kB")  # mistake: wired-step-awaited
    await second_opinion(patch)  # mistake: agent-step-argument-forgotten
    await second_opinion(patch, lens=3)  # mistake: agent-step-argument-of-another-type
    await measure.fn(patch)  # mistake: plain-function-argument-forgotten
    await second_opinion.fn(patch, "speed")  # mistake: plain-function-without-its-agent
    length: str = await measure(patch, "kB")  # mistake: step-result-of-another-type
    later = measure(patch, "kB")
    total = later + 1  # mistake: unawaited-step-as-value
    return f"{length}{total}"


@agent
async def with_handle(ai: Agent, patch: Patch = use(implement)) -> list[str]:
    await second_opinion(ai, patch, "speed")  # mistake: agent-passed-to-a-step
    opinion = await second_opinion(patch, "speed")
    await ai.second_opinion(patch)  # mistake: step-as-method-of-the-agent
    return opinion.notes[0]  # mistake: body-returns-another-type


a = measure.wired(patch=use(implement))  # mistake: wired-argument-forgotten
b = measure.wired(patch=use(implement), unti="kB")  # mistake: wired-argument-misspelt
c = measure.wired(patch=implement, unit="kB")  # mistake: wired-with-a-source
d = measure.wired(patch=use(plan), unit="kB")  # mistake: wired-with-another-class
e = measure.wired(use(implement), "kB", 1)  # mistake: wired-argument-extra
f = measure.wired(patch=use(review), unit="kB")  # mistake: wired-with-a-fan-out
g = measure.wired  # a method, not a source
h = measure.parallel(patch=use(implement), unit="kB")  # mistake: parallel-without-number
i = measure.parallel("3", patch=use(implement), unit="kB")  # mistake: parallel-number-as-str
j = measure.parallel(3, patch=use(implement))  # mistake: parallel-argument-forgotten
k = measure.parallel(3, use(implement), unit=each([1, 2]))  # mistake: parallel-each-of-another-type
l = measure.parallel(3, use(implement), unit=["kB", "MB"])  # mistake: parallel-list-without-each
m = measure.parallel(3, use(implement), "kB", quorum=2)  # mistake: parallel-with-an-option
n = second_opinion.wired(patch=use(implement), lens=param(3))  # mistake: wired-param-of-another-type
o = design.wired(plan=use(review))  # mistake: phase-rewired-to-another-class
p = design.wired(plann=use(plan))  # mistake: phase-rewired-misspelt
q = review.wired(use(implement), 3)  # mistake: fan-out-rewired-extra
r = plan.parallel(3)  # mistake: phase-parallel
s = second_opinion.parallel(3, patch=use(implement), lens=each(tasks))  # mistake: parallel-each-source
t = measure.where(lambda n: n > 3)  # mistake: condition-on-a-step
u = second_opinion.session  # mistake: session-of-a-step
v = second_opinion.wired(use(implement), lens="speed").wired(lens=2)  # mistake: rewired-step
w = measure | plan  # mistake: step-joined


@phase
async def wired_steps(
    a: int = use(measure.parallel(3, use(implement), "kB")),  # mistake: parallel-step-as-single
    b: list[int] = use(measure.wired(use(implement), "kB")),  # mistake: wired-step-as-fan-out
    c: str = use(measure.wired(use(implement), "kB")),  # mistake: wired-step-of-another-type
    d: Review = use(g),  # mistake: use-of-a-method
    e: Plan = use(second_opinion.wired(use(implement), "x")),  # mistake: wired-agent-step-other-type
) -> None: ...
