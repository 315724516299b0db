"""Every lens looks at every module with every agent; findings that survive are reported."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import assert_type

from orchcore import (
    Agent,
    Err,
    FanOut,
    Ok,
    Outcome,
    Source,
    agent,
    each,
    param,
    phase,
    settled,
    use,
)


class Lens(Enum):
    SECURITY = "security"
    SPEED = "speed"


@dataclass(frozen=True)
class Finding:
    file: str
    text: str
    severity: int


@phase
async def modules(root: Path = param(Path("src"))) -> tuple[Path, ...]:
    return tuple(sorted(root.rglob("*.py")))


@agent(
    each(param(["claude", "codex"], name="auditor")),
    parallel=6,
    cross=True,
    quorum=4,
    model=param("default"),
    tags=("audit",),
)
async def audit(
    ai: Agent, lens: Lens = each(list(Lens)), module: Path = each(modules)
) -> list[Finding]:
    assert_type(lens, Lens)
    assert_type(module, Path)
    return await ai.ask(f"Audit {module} for {lens.value}", list[Finding])


flat = audit.pick(lambda found: [finding for findings in found for finding in findings])
severe = flat.pick(lambda findings: [f for f in findings if f.severity > 3])


@agent("claude", parallel=3, fail_fast=False)
async def verify(ai: Agent, finding: Finding = each(severe, label=lambda f: f.file)) -> bool:
    return await ai.ask(f"Is this true? {finding.text}", bool)


@phase
async def report(
    outcomes: list[Outcome[list[Finding]]] = use(settled(audit)),
    verdicts: list[bool] = use(verify),
) -> str:
    lines: list[str] = []
    for outcome in outcomes:
        match outcome:
            case Ok(key=key, value=findings):
                assert_type(findings, list[Finding])
                lines.append(f"{key}: {len(findings)} findings")
            case Err(key=key, failure=failure):
                lines.append(f"{key}: {failure.kind}")
    return "\n".join([*lines, f"{sum(verdicts)} verified"])


@phase(parallel=2)
async def explain(outcome: Outcome[bool] = each(settled(verify))) -> str:
    return outcome.key if isinstance(outcome, Ok) else outcome.failure.detail


@phase
async def whole(outcome: Outcome[str] = use(settled(report))) -> str | None:
    return outcome.value if isinstance(outcome, Ok) else None


assert_type(flat, Source[list[Finding]])
assert_type(each(modules), Path)
assert_type(settled(audit), FanOut[Ok[list[Finding]] | Err])
assert_type(settled(report), Source[Ok[str] | Err])
assert_type(use(settled(report)), Ok[str] | Err)
assert_type(each(settled(verify)), Ok[bool] | Err)
assert_type(use(settled(verify)), list[Ok[bool] | Err])
