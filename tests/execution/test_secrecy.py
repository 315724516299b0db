"""Which variables and values count as secret."""

from pathlib import Path

from orchcore.agents.adapters.finder import find_adapters
from orchcore.execution.secrecy import parameter_secrets, secrets_of
from orchfiles import planned

BODY = """
from dataclasses import dataclass
from pydantic import SecretBytes

class Login(BaseModel):
    key: SecretStr
    port: int = 1

@dataclass
class Both:
    logins: dict[str, Login]

@agent.step(pass_env=["OF_STEP"], env={"DB_PASSWORD": "from-a-step", "MODE": "no-secret"})
async def step(ai: Agent) -> str: ...

@agent(pass_env=["OF_NODE", "HOME"])
async def node(
    ai: Agent,
    text: SecretStr = param("a-default"),
    data: SecretBytes | None = param(None),
    many: list[SecretStr] = param([]),
    both: Both = param(),
    plain: str = param("no-secret"),
    named: SecretStr = param(env="NAMED"),
) -> str:
    return await step()
"""
CONFIG = """
default_agent = "mine"
[agents.mine]
adapter = "text"
argv = ["true"]
pass_env = ["MINE_*"]
env = { SIGNING_KEY = "from-a-table", KEYBOARD = "no-secret" }
"""
ENVIRON = {
    "OF_STEP": "1-step",
    "OF_NODE": "1-node",
    "MINE_A": "1-mine",
    "HOME": "/home/no-secret",
    "ANTHROPIC_API_KEY": "1-login",
    "ANTHROPIC_MODEL": "no-secret",
    "CODEX_HOME": "/no-secret",
    "OTHER_API_KEY": "no-secret: no agent gets it",
    "NAMED": "1-named",
}


def test_what_is_secret_in_a_run(tmp_path: Path) -> None:
    """Variables that are passed on, logins, telling names of ``env`` tables, secret parameters."""
    (tmp_path / "orchcore.toml").write_text(CONFIG)
    given = {
        "data": "some-bytes",
        "many": ["one", "two"],
        "both": '{"logins": {"a": {"key": "in-a-table"}}}',
    }
    plan = planned(tmp_path, BODY, parameters=given, environ=ENVIRON)
    secrets = secrets_of(plan, find_adapters(), ENVIRON)
    assert secrets.variables == ("ANTHROPIC_API_KEY", "MINE_A", "NAMED", "OF_NODE", "OF_STEP")
    of_parameters = {"a-default", "some-bytes", "one", "two", "in-a-table", "1-named"}
    assert parameter_secrets(plan) == of_parameters
    assert secrets.values == of_parameters | {
        *("1-step", "1-node", "1-mine", "1-login", "from-a-step", "from-a-table")
    }
    assert "1-login" not in repr(secrets)
