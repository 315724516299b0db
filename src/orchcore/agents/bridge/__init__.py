"""The bridge: one turn with an agent that speaks the Agent Client Protocol, its own process.

Comes in: a prompt on stdin, options, the agent's command line. Goes out: a stream of JSON lines
(docs/reference/agents.md) and an exit code. It starts the agent as its own child, so that one tree
holds both, and asks nobody anything: what the agent may do was decided before.
"""
