"""The append-only record of runs: what survives a crash.

Comes in: events of a run, in order. Goes out: one SQLite database per run below ``.orchcore/``,
and frozen values read back from it. Does not know phases, agents, plans or how anything is shown.
"""
