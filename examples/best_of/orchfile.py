"""Best of N: three attempts at once, two are enough, and a judge picks one.

    orchcore run examples/best_of --task "a haiku about tests"

`parallel=3` without `each` makes three copies; `node` tells a copy which one it is.
"""

from pydantic import BaseModel

from orchcore import Agent, agent, param, use
from orchcore.resources import Node, node


class Choice(BaseModel):
    number: int
    why: str


@agent(parallel=3, quorum=2)
async def attempt(ai: Agent, task: str = param("a haiku about tests"), me: Node = use(node)) -> str:
    return await ai.ask(f"{task} (attempt {me.key}: be unlike the others)")


@agent
async def best(ai: Agent, attempts: list[str] = use(attempt)) -> str:
    numbered = "\n".join(f"{number}. {text}" for number, text in enumerate(attempts))
    choice = await ai.ask(f"Which is best, 0 to {len(attempts) - 1}?\n{numbered}", Choice)
    return attempts[choice.number % len(attempts)]
