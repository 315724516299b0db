"""What each agent CLI can do, as a table of docs/reference/agents.md made from the adapters."""

from orchcore.agents.adapters.finder import find_adapters
from orchcore.agents.versions import tested_range
from orchcore.cli.agent_facts import abilities


def matrix() -> str:
    """A column for each built-in adapter, a row for each ability."""
    adapters = find_adapters([])
    able = {name: abilities(adapter.capabilities) for name, adapter in adapters.items()}
    rows = [
        ["", *(f"`{name}`" for name in adapters)],
        ["---"] * (len(adapters) + 1),
        ["tested with", *(tested_range(adapter.versions) for adapter in adapters.values())],
        *([ability, *(able[name][ability] for name in adapters)] for ability in able["claude"]),
    ]
    return "\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in rows) + "\n"
