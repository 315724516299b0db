"""Runs a ``Plan`` and emits ``Event`` values.

Comes in: a frozen plan, a turn runner, a recorder. Goes out: events, and how every node ended.
Does not know who listens, how anything is drawn or stored, or what vendors are like.
"""
