"""What people and other programs see of a run.

Comes in: events, one at a time, from the event loop. Goes out: a live view, lines, JSON, a summary.
Does not know: what makes events happen; nothing here can slow, stop or harm a run.
"""
