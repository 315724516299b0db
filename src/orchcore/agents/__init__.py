"""One turn of one agent CLI.

Comes in: an ``Invocation``. Goes out: ``AgentEvent`` values while it runs, a ``TurnResult`` when
its whole process tree is gone. Does not know phases, plans, retries or the journal.
"""
