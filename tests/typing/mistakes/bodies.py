"""What bodies call: gather, command, Skip; resources; running from Python."""

import asyncio
from pathlib import Path

from orchcore import (
    Agent,
    Failure,
    Skip,
    TurnFailed,
    agent,
    command,
    each,
    gather,
    maybe,
    phase,
    run,
    run_sync,
    use,
)
from orchcore.resources import Node, artifacts, node
from pipeline import (
    Database,
    Patch,
    Plan,
    Review,
    database,
    folder,
    implement,
    measure,
    plan,
    review,
    second_opinion,
)


@phase
async def gathering(patch: Patch = use(implement)) -> list[Review]:
    units = ["kB", "MB"]
    _a: int = await gather(measure(patch, u) for u in units)  # mistake: gathered-as-single
    _b: list[str] = await gather(measure(patch, u) for u in units)  # mistake: gathered-other-type
    _c = await gather(measure(patch, units[0]), measure(patch, units[1]))  # mistake: gather-of-arguments
    _d = await gather([await measure(patch, u) for u in units])  # mistake: gather-of-results
    _e = await gather([measure, measure])  # mistake: gather-of-uncalled-steps
    _f = await gather((measure(patch, u) for u in units), limit="3")  # mistake: gather-limit-as-str
    _g = await gather((measure(patch, u) for u in units), 3)  # mistake: gather-limit-by-position
    _h = await gather((measure(patch, u) for u in units), quorum=0.5)  # mistake: gather-quorum-as-share
    _i = await gather((measure(patch) for _ in units))  # mistake: gathered-call-argument-forgotten
    j = gather(measure(patch, u) for u in units)
    print(len(j))  # mistake: gather-not-awaited
    _k = await gather((measure(patch, u) for u in units), parallel=3)  # mistake: gather-unknown-keyword
    _m = await gather(plan)  # mistake: gather-of-a-phase
    _n = await gather(measure(patch, "kB"))  # mistake: gather-of-one-call
    _p = await gather({"kB": measure(patch, "kB")})  # mistake: gather-of-a-dict
    _o = await gather(await measure(patch, u) for u in units)  # mistake: gather-of-awaited-calls
    return await gather(measure(patch, u) for u in units)  # mistake: gathered-returned-as-other


@phase
async def commanding() -> int:
    _a = await command("pytest", 3)  # mistake: command-argument-as-number
    _b = await command(["pytest", "-q"])  # mistake: command-as-list
    _c = await command("pytest", timout="5m")  # mistake: command-option-misspelt
    _d = await command("pytest -q", shell=True)  # mistake: command-with-shell
    _e = await command("pytest", cwd=3)  # mistake: command-cwd-as-number
    _f = await command("pytest", check="yes")  # mistake: command-check-as-str
    _g = await command("pytest", env=["A"])  # mistake: command-env-as-list
    _h = await command("pytest", timeout=[5])  # mistake: command-timeout-as-list
    command("pytest")  # mistake: command-not-awaited
    i = command("pytest")
    print(i.stdout)  # mistake: unawaited-command-as-value
    done = await command("pytest", "-q")
    print(done.returncode)  # mistake: command-unknown-attribute
    print(done.stdout.decode())  # mistake: command-stdout-is-text
    return done  # mistake: command-returned-as-code


@phase
async def skipping(plan: Plan = use(plan)) -> str:
    if plan.risky:
        return Skip("risky")  # mistake: skip-returned
    if not plan.steps:
        raise "nothing to do"  # mistake: raise-a-str
    if len(plan.steps) > 9:
        raise Failure("error", "too many steps")  # mistake: raise-a-failure
    if len(plan.steps) > 8:
        raise TurnFailed("too many steps")  # mistake: turn-failed-without-failure
    raise TurnFailed(Failure("too-many", "steps"))  # mistake: unknown-failure-kind


@phase
async def resources(
    a: str = use(database),  # mistake: resource-of-another-class
    b: Database = database,  # mistake: resource-without-use
    c: Database = use(database()),  # mistake: resource-called
    d: str = use(folder),  # mistake: folder-as-str
    e: Path = each(folder),  # mistake: each-of-a-resource
    f: Database = maybe(database),  # mistake: maybe-resource-as-certain
    g: str = use(artifacts),  # mistake: artifacts-as-str
    h: str = use(node),  # mistake: node-as-str
    facts: Node = use(node),
    i: list[str] = use(database.pick(lambda db: db.row())),  # mistake: resource-unknown-method
    j: Database = use(database.open("sqlite://")),  # mistake: use-of-an-opened-resource
) -> None:
    print(facts.budget)  # mistake: node-unknown-attribute
    print(facts.budget_left_usd - 1)  # mistake: budget-may-be-unknown
    async with database:  # mistake: resource-not-opened
        pass
    async with database.open(3):  # mistake: opened-with-another-type
        pass
    async with database.open(uri="sqlite://"):  # mistake: opened-with-misspelt-argument
        pass
    with database.open():  # mistake: opened-without-async
        pass
    async with database.open() as db:
        print(db.row())  # mistake: opened-unknown-method


async def program() -> None:
    result = await run(plan)
    _a: Review = result.value(plan)  # mistake: result-of-another-class
    _b: Review = result.value(review)  # mistake: result-of-a-fan-out-as-single
    _c = result.value("plan")  # mistake: result-by-name
    _d = result.value(measure)  # mistake: result-of-a-step
    if result.state("plan") == "pased":  # mistake: state-typo
        print(result.value(plan).stps)  # mistake: result-unknown-attribute
    print(result.state(3))  # mistake: state-of-a-number
    print(result.state(plan))  # mistake: state-of-a-node
    await run("plan")  # mistake: run-by-name
    run_sync("plan", yes=True)  # mistake: run-sync-by-name
    await run(plan, orchfile="orchfile.py")  # mistake: run-node-with-orchfile
    await run("plan", orchfile=3)  # mistake: run-orchfile-as-number
    await run("plan", orchfile="orchfile.py")
    print(result.value(review)[0].nots)  # mistake: result-element-unknown-attribute
    print(result.values[plan])  # mistake: run-result-unknown-attribute
    await run(measure)  # mistake: run-a-step
    await run([plan])  # mistake: run-a-list
    await run(plan, param={"task": "x"})  # mistake: run-option-misspelt
    await run(plan, params=["task=x"])  # mistake: run-params-as-list
    await run(plan, agent=3)  # mistake: run-agent-as-number
    run(plan)  # mistake: run-not-awaited
    await run_sync(plan)  # mistake: run-sync-awaited
    print(run(plan).exit_code)  # mistake: unawaited-run-as-value
    asyncio.run(plan)  # mistake: phase-given-to-asyncio
    await second_opinion.fn(plan, Patch(diff=""), "x")  # mistake: phase-as-agent


@agent
async def reading_globals(ai: Agent) -> list[str]:
    await ai.ask(plan)  # mistake: phase-as-prompt
    return plan.steps  # mistake: phase-used-as-its-value
