"""Any agent that speaks the Agent Client Protocol, by way of the bridge.

The protocol is a conversation in both directions, and a turn's stdin is fed once. So the process
of a turn is the bridge (``orchcore.agents.bridge``): it starts the agent and prints what that says.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import orchcore.agents
from orchcore.agents.adapters.acp_stream import AcpParser
from orchcore.agents.adapters.protocol import Capabilities, Extra, Launch, Versions
from orchcore.agents.invocation import Invocation
from orchcore.errors import Problem, UsageError

PROGRAM = Path(orchcore.agents.__path__[0]) / "acp_bridge.py"

# OpenCode 1.18 edits and runs commands without asking unless it is told to; this joins its own
# configuration. Every other agent that was measured asks by itself.
_ASKING: Mapping[str, Mapping[str, str]] = {
    "opencode": {"OPENCODE_PERMISSION": json.dumps({"edit": "ask", "bash": "ask"})}
}


@dataclass(frozen=True, slots=True)
class AcpAdapter:
    """Starts ``argv`` (or ``program`` and ``args``) of the agent's configuration below the bridge.

    Attributes:
        clock: Unix time, for times of day in limit messages.
    """

    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        """``acp``."""
        return "acp"

    @property
    def capabilities(self) -> Capabilities:
        """What the protocol has; whether an agent offers it is known when it is running."""
        return Capabilities(
            resume=True, fork=True, money="tokens", extra=Extra("acp", "agent-client-protocol")
        )

    @property
    def versions(self) -> Versions:
        """Nothing is known of any."""
        return Versions()

    @property
    def program(self) -> str:
        """Nothing: configuration names it."""
        return ""

    @property
    def login_env(self) -> tuple[str, ...]:
        """Nothing: configuration's ``pass_env`` names what the agent needs."""
        return ()

    def command(self, invocation: Invocation) -> Launch:
        """The process that makes this turn: the bridge, with the agent's own command line.

        Raises:
            UsageError: Nothing names the agent's program (``missing-argv``), or *invocation* asks
                for tools, a schema, a turn limit or a hermetic agent (``unsupported-option``).
        """
        _check(invocation)
        program = invocation.program or invocation.argv[0]
        argv = (
            # -E -P and not -I: the library may be installed for the user only
            *(sys.executable, "-E", "-P", str(PROGRAM)),
            *("--cwd", str(invocation.cwd), "--permission", invocation.permission),
            *(() if invocation.model is None else (f"--model={invocation.model}",)),
            *(() if invocation.resume is None else (f"--resume={invocation.resume}",)),
            *(("--fork",) if invocation.resume is not None and invocation.fork else ()),
            *("--", program, *invocation.argv[1:], *invocation.args),
        )
        prompt = invocation.prompt.encode("utf-8", "replace")
        return Launch(argv, env=_asking(program, invocation), stdin=prompt)

    def parser(self, invocation: Invocation) -> AcpParser:
        """A fresh parser for that process's stdout."""
        return AcpParser(
            resumed=invocation.resume is not None,
            program=PurePath(invocation.program or next(iter(invocation.argv), "")).name,
            clock=self.clock,
        )


def _asking(program: str, invocation: Invocation) -> Mapping[str, str]:
    """Variables that make an agent ask before it changes anything."""
    own = _ASKING.get(PurePath(program).name)
    return own if own is not None and invocation.permission != "full" else {}


def _check(invocation: Invocation) -> None:
    if not (invocation.program or invocation.argv):
        raise UsageError(
            Problem(
                "missing-argv",
                f"agent {invocation.agent!r} has the adapter 'acp' but neither argv nor program",
                hints=('argv = ["gemini", "--acp"]',),
            )
        )
    asked = {
        "tools=": invocation.tools is not None,
        "a JSON schema": invocation.schema is not None,
        "max_turns=": invocation.limits.max_turns is not None,
        "hermetic": invocation.hermetic,
    }
    problems = [
        Problem(
            "unsupported-option",
            f"an agent of the adapter 'acp' cannot take {what}",
            hints=("give the agent its own options in argv or env",),
        )
        for what, is_asked in asked.items()
        if is_asked
    ]
    if problems:
        raise UsageError(*problems)
