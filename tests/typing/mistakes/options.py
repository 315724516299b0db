"""Options of nodes and steps: unknown ones, wrong types, wrong places."""

from datetime import datetime
from pathlib import Path

from orchcore import Agent, agent, each, maybe, param, phase, use
from pipeline import count, folder, implement, measure, plan, review


async def body(ai: Agent) -> str:
    return await ai.ask("Go.")


async def plain() -> str:
    return "done"


a1 = agent(permission="edt")(body)  # mistake: permission-typo
a2 = agent(permission=["edit"])(body)  # mistake: permission-as-list
a3 = agent(tools="Read")(body)  # mistake: tools-as-str
a4 = agent(tools=["Read", 1])(body)  # mistake: tools-of-another-type
a5 = agent(tools={"Read"})(body)  # mistake: tools-as-set
a6 = agent(retry=3)(body)  # mistake: unknown-option
a7 = agent(retries="2")(body)  # mistake: retries-as-str
a8 = agent(retries=1.5)(body)  # mistake: retries-as-float
a9 = agent(timeout=[5])(body)  # mistake: timeout-as-list
b1 = agent(timeout=datetime.now())(body)  # mistake: timeout-as-date
b2 = agent(idle=None)(body)  # mistake: idle-none
b3 = agent(cwd=3)(body)  # mistake: cwd-as-number
b4 = agent(cwd=use(plan))(body)  # mistake: cwd-of-another-class
b5 = agent(cwd=folder)(body)  # mistake: cwd-without-use
b6 = agent(cwd=["src"])(body)  # mistake: cwd-as-list
b7 = agent(model=3)(body)  # mistake: model-as-number
b8 = agent(model=each([1, 2]), parallel=2)(body)  # mistake: model-each-of-another-type
b9 = agent(model=["opus", "sonnet"], parallel=2)(body)  # mistake: model-list-without-each
c1 = agent(env={"A": 1})(body)  # mistake: env-value-as-number
c2 = agent(env=["A"])(body)  # mistake: env-as-list
c3 = agent(pass_env="TOKEN")(body)  # mistake: pass-env-as-str
c4 = agent(tags="slow")(body)  # mistake: tags-as-str
c5 = agent(optional="no")(body)  # mistake: optional-as-str
c6 = agent(limits=["gpu"])(body)  # mistake: limits-as-list
c7 = agent(limits={"gpu": "1"})(body)  # mistake: limit-as-str
c8 = agent(reasks="2")(body)  # mistake: reasks-as-str
c9 = agent(max_turns=2.5)(body)  # mistake: max-turns-as-float
d1 = agent(quorum=1)(body)  # mistake: quorum-without-parallel
d2 = agent(cross=True)(body)  # mistake: cross-without-parallel
d3 = agent(fail_fast=True)(body)  # mistake: fail-fast-without-parallel
d4 = agent(parallel="3")(body)  # mistake: parallel-as-str
d5 = agent(parallel=None)(body)  # mistake: parallel-none
d6 = agent(parallel=2, quorum="all")(body)  # mistake: quorum-as-str
d7 = agent(parallel=2, quorum=0.5)(body)  # mistake: quorum-as-share
d8 = agent(parallel=each([1, 2]), quorums=1)(body)  # mistake: unknown-fan-out-option
d9 = agent(parallel=param("3"))(body)  # mistake: parallel-param-of-another-type
e1 = agent("claude", "codex")(body)  # mistake: two-agents
e2 = agent(["claude", "codex"], parallel=2)(body)  # mistake: agents-without-each
e3 = agent(3)(body)  # mistake: agent-name-as-number
e4 = agent(cli="claude")(body)  # mistake: agent-name-by-keyword
e5 = agent(each([1, 2]), parallel=2)(body)  # mistake: agent-name-each-of-another-type
e6 = agent(use(plan))(body)  # mistake: agent-name-of-another-class
e7 = agent(each("claude"), parallel=2)(body)  # mistake: agent-name-each-of-str
e8 = agent(name=3)(body)  # mistake: name-as-number
e9 = agent(tags=["slow", None])(body)  # mistake: tags-of-another-type
f1 = agent(fallback="codex")(body)  # mistake: fallback-as-str
f2 = agent(on_rate_limit="retry")(body)  # mistake: on-rate-limit-typo
f3 = agent(recovery="retry")(body)  # mistake: recovery-typo
budgeted = agent(budget=2.5)(body)
f4 = agent(budget="5 USD")(body)  # mistake: budget-as-str
f5 = agent(cache=["1h"])(body)  # mistake: cache-as-list
f6 = agent(model=use(review))(body)  # mistake: model-of-a-fan-out
f8 = agent(cwd=maybe(folder))(body)  # mistake: cwd-may-be-none
f9 = agent(cwd=Path, parallel=2)(body)  # mistake: cwd-a-class
f7 = agent(cwd=use(folder.pick(lambda f: f.name.split())))(body)  # mistake: cwd-picked-list

g1 = agent(after=plan)(body)  # mistake: after-without-list
g2 = agent(after=[measure])(body)  # mistake: after-a-step
g3 = agent(after=["plan"])(body)  # mistake: after-by-name
g4 = agent(after="plan")(body)  # mistake: after-as-str
g5 = agent(after=[use(plan)])(body)  # mistake: after-used-value
g6 = agent(after=[plan.where(lambda p: p.risky)])(body)  # mistake: after-a-condition
g7 = agent(after={plan})(body)  # mistake: after-as-set

h1 = phase(model="opus")(plain)  # mistake: model-of-a-phase
h2 = phase(permission="edit")(plain)  # mistake: permission-of-a-phase
h3 = phase("claude")(plain)  # mistake: agent-of-a-phase
h4 = phase(quorum=2)(plain)  # mistake: quorum-of-a-single-phase
h5 = phase(idle="5m")(plain)  # mistake: idle-of-a-phase
h6 = phase(cwd=Path())(plain)  # mistake: cwd-of-a-phase
h7 = phase(parallel=2, tools=["Read"])(plain)  # mistake: tools-of-a-fan-out-phase
h8 = phase(retries=use(plan))(plain)  # mistake: retries-of-another-class
h9 = phase(timeout=use(implement))(plain)  # mistake: timeout-of-another-class

i1 = agent.step(parallel=3)(body)  # mistake: parallel-of-a-step
i2 = agent.step(quorum=2)(body)  # mistake: quorum-of-a-step
i3 = phase.step(model="opus")(plain)  # mistake: model-of-a-plain-step
i4 = phase.step("claude")(plain)  # mistake: agent-of-a-plain-step
i5 = agent.step(timout="5m")(body)  # mistake: step-option-misspelt
i6 = agent.steps(timeout="5m")(body)  # mistake: step-decorator-misspelt
i7 = agent.step(["claude"])(body)  # mistake: agents-of-a-step
i8 = agent.parallel(3)(body)  # mistake: parallel-as-decorator

j1 = phase(when="yes")(plain)  # mistake: when-as-str
j2 = phase(when=plan)(plain)  # mistake: when-a-source
j3 = phase(when=lambda: True)(plain)  # mistake: when-a-function
j4 = phase(when=use(count))(plain)  # mistake: when-a-number
j5 = phase(when=plan.where)(plain)  # mistake: when-a-method
j6 = phase(when=[plan.where(lambda p: p.risky)])(plain)  # mistake: when-a-list
j8 = phase(when=maybe(plan.pick(lambda p: p.risky)))(plain)  # mistake: when-may-be-none
j9 = phase(each(["a"]), parallel=2)(plain)  # mistake: each-of-a-phase-by-position
j7 = phase(when=None)(plain)  # mistake: when-none
