"""Functions that cannot be nodes, steps or resources."""

from collections.abc import AsyncIterator, Iterator

from orchcore import Agent, agent, param, phase, resource, use
from pipeline import Database, Plan, plan


@phase  # mistake: sync-phase
def sync_phase() -> int:
    return 3


@agent  # mistake: sync-agent
def sync_agent(ai: Agent) -> str:
    return ai.name


@phase.step  # mistake: sync-step
def sync_step(n: int) -> int:
    return n


@agent.step  # mistake: sync-agent-step
def sync_agent_step(ai: Agent, n: int) -> str:
    return ai.name * n


@phase(retries=1)  # mistake: sync-phase-with-options
def sync_with_options() -> int:
    return 3


@phase  # mistake: generator-phase
async def generator_phase() -> AsyncIterator[int]:
    yield 3


@agent  # mistake: agent-without-agent
async def without_agent(plan: Plan = use(plan)) -> str:
    return plan.summary


@agent  # mistake: agent-without-parameters
async def without_parameters() -> str:
    return ""


@agent("claude", timeout="5m")  # mistake: agent-with-options-without-agent
async def options_without_agent(task: str = param()) -> str:
    return task


@agent(parallel=2)  # mistake: fan-out-without-agent
async def fan_out_without_agent(plan: Plan = use(plan)) -> str:
    return plan.summary


@agent.step  # mistake: agent-step-without-agent
async def step_without_agent(plan: Plan) -> str:
    return plan.summary


@agent  # mistake: agent-as-keyword
async def keyword_agent(*, ai: Agent) -> str:
    return ai.name


@agent  # mistake: agent-second
async def second_agent(plan: Plan, ai: Agent) -> str:
    return f"{ai.name}: {plan.summary}"


@agent  # mistake: agents-as-list
async def list_of_agents(ais: list[Agent]) -> str:
    return ais[0].name


@phase  # mistake: phase-of-a-phase
@phase
async def twice() -> int:
    return 3


@phase  # mistake: phase-of-a-class
class Node:
    pass


@agent.phase  # mistake: decorator-that-does-not-exist
async def unknown_decorator(ai: Agent) -> str:
    return ai.name


@resource  # mistake: sync-resource
def sync_resource() -> Iterator[Database]:
    yield Database()


@resource  # mistake: resource-that-returns
async def returning_resource() -> Database:
    return Database()


@resource(scope="session")  # mistake: resource-scope-typo
async def scoped() -> AsyncIterator[Database]:
    yield Database()


@resource(scop="run")  # mistake: resource-option-misspelt
async def misspelt() -> AsyncIterator[Database]:
    yield Database()


@phase
async def wrong_return(plan: Plan = use(plan)) -> int:
    return plan.summary  # mistake: wrong-return


@phase
async def no_return(plan: Plan = use(plan)) -> int:  # mistake: missing-return
    print(plan.summary)


@phase
async def unannotated(plan=use(plan)) -> int:  # mistake: unannotated-parameter
    return 3


of_lambda = phase(lambda: 3)  # mistake: phase-of-a-lambda
of_nothing = phase(None)  # mistake: phase-of-none
