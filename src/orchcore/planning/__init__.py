"""From a ``Collection`` to a ``Plan``: complete, checked, before anything starts.

Comes in: a ``Collection`` and what the user asked for. Goes out: a frozen ``Plan``, or every
problem at once. Pure: it does not know processes, clocks, agents or the journal.
"""
