"""``--budget``, ``--strict-budget`` and ``cost``."""

import json
from pathlib import Path

import pytest

from cli.commands import orchcore

FLOW = """
from orchcore import Agent, agent, each

@agent("priced", parallel=4)
async def work(ai: Agent, number: int = each([1, 2, 3, 4])) -> str:
    return await ai.ask(f"work {number}")
"""
SCRIPT = """#!/bin/sh
cat >/dev/null
echo '{"type":"system","subtype":"init","session_id":"s","model":"m","tools":[]}'
echo '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","usage":{"input_tokens":1,"output_tokens":1},"model_usage_since_last_result":{"m":{"inputTokens":1,"outputTokens":1,"costUSD":0.12}}}'
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "orchfile.py").write_text(FLOW)
    program = tmp_path / "priced"
    program.write_text(SCRIPT)
    program.chmod(0o700)
    (tmp_path / "orchcore.toml").write_text(
        '[agents.priced]\nadapter = "claude"\nprogram = "./priced"\n'
        '[agents.unknown]\nadapter = "text"\nargv = ["echo", "{prompt}"]\n'
    )
    return tmp_path


def test_a_run_stops_at_its_budget_and_goes_on_with_a_higher_one(here: Path) -> None:
    """Exit 11, what was paid is kept, and ``cost`` has it once."""
    stopped = orchcore("run", "--budget", "0.3", cwd=here)
    assert (stopped.returncode, "2 passed, 2 failed" in stopped.stdout) == (11, True)
    assert "the budget of the run is exhausted: $0.24 of $0.30" in stopped.stdout
    finished = orchcore("resume", "latest", "--budget", "1", cwd=here)
    assert finished.returncode == 0
    assert "2 passed, 2 reused" in finished.stdout
    told = json.loads(orchcore("cost", "--json", cwd=here).stdout)
    assert told["total"] == {"turns": 4, "unpriced": 0, "cost_usd": pytest.approx(0.48)}
    assert set(told) == {"total", "phase", "agent", "model", "day", "left_out", "schema_version"}
    shown = orchcore("cost", "latest", "--since", "1h", cwd=here).stdout
    assert "priced  $0.48  4 turns" in shown
    assert "no turn was paid for" in orchcore("cost", "--since", "2100-01-01", cwd=here).stdout


def test_the_configuration_may_have_a_budget(here: Path) -> None:
    """It holds as ``--budget`` does."""
    settings = (here / "orchcore.toml").read_text()
    (here / "orchcore.toml").write_text(f"budget = 0.3\n{settings}")
    assert orchcore("run", cwd=here).returncode == 11


def test_what_cannot_be_priced_is_refused_or_told(here: Path) -> None:
    """Never $0."""
    refused = orchcore("run", "--agent", "unknown", "--strict-budget", cwd=here)
    assert (refused.returncode, "cannot be priced" in refused.stderr) == (4, True)
    passed = orchcore("run", "--agent", "unknown", "--budget", "1", cwd=here)
    assert passed.returncode == 0, passed.stdout
    assert "4 turns unpriced" in passed.stdout
    assert "unknown  4 turns, 4 unpriced" in orchcore("cost", cwd=here).stdout


def test_mistakes_are_told(here: Path) -> None:
    """Exit 4."""
    nothing = orchcore("run", "--budget", "0", cwd=here)
    assert (nothing.returncode, "'--budget': 0.0 is not in the range" in nothing.stderr) == (
        4,
        True,
    )
    assert "no time" in orchcore("cost", "--since", "yesterday", cwd=here).stderr
