"""A pipeline per item: a fan-out over a fan-out. Each file goes on alone, none waits for all.

    orchcore run examples/per_item --folder src/orchcore

`each` of a list makes an instance per item, `each` of a fan-out one per instance of that.
"""

from pathlib import Path

from orchcore import Agent, agent, command, each, param, phase, use


@phase
async def files(folder: Path = param(Path(__file__).parent.parent)) -> list[Path]:
    return sorted(folder.glob("*/*.py"))[:5]


@phase(parallel=2)
async def first_line(file: Path = each(files, label=lambda f: f.parent.name)) -> str:
    return (await command("head", "-n", "1", file, check=True)).stdout.strip()


@agent(parallel=2)
async def rewrite(ai: Agent, line: str = each(first_line)) -> str:
    return await ai.ask(f"Say this better: {line}")


@phase
async def table(before: list[str] = use(first_line), after: list[str] = use(rewrite)) -> int:
    for old, new in zip(before, after, strict=True):
        print(f"{old}\n    -> {new}")
    return len(after)
