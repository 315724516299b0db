"""Two hundred agents at once; each counts to 2000 in 200 KB."""

from orchcore import Agent, agent, each


@agent("worker", parallel=200)
async def work(ai: Agent, number: int = each(range(200))) -> str:
    counted = [int(line) for line in (await ai.ask(str(number))).splitlines()]
    assert counted == list(range(1, 2001)), f"{len(counted)} lines"
    return "all"
