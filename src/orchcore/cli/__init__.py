"""Click commands: words into requests, outcomes into exit codes.

Comes in: a command line. Goes out: an exit code. No logic of its own, and each command imports the
rooms it needs when it is called, so that looking at help or a list costs nothing else.
"""
