"""The demo agent: the program behind ``--agent demo``. Stdlib only, its own process.

Comes in: a prompt on stdin, options. Goes out: a stream of JSON lines (docs/reference/
demo-agent.md). Does not know orchcore: it imports nothing outside this folder.
Its values are named tuples: importing ``dataclasses`` would take a quarter of the child's start.
"""
