"""A loop until a check is green: Python in a body, with real commands and one conversation.

    orchcore run examples/until_green --wish "My new feature!"

What git refuses goes back to the agent, which remembers what it said before.
"""

from pydantic import BaseModel

from orchcore import Agent, Failure, TurnFailed, agent, command, param


class Branch(BaseModel):
    slug: str


@agent
async def branch(
    ai: Agent,
    wish: str = param("My new feature: tea~", help="what the branch is for"),
    rounds: int = param(5, help="how often the agent may try"),
) -> str:
    name = wish
    for _ in range(rounds):
        check = await command("git", "check-ref-format", "--branch", name)
        if check.ok:
            return name
        proposal = await ai.ask(f"{check.stderr}\nPropose a better name for: {wish}", Branch)
        name = proposal.slug
    raise TurnFailed(Failure("invalid_output", f"no valid name in {rounds} rounds"))
