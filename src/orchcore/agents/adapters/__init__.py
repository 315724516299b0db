"""What vendors' CLIs are like: one file each, no I/O.

Comes in: an ``Invocation``, then lines of bytes, then how the process ended. Goes out: the launch,
events, the verdict. Does not know processes, clocks or files.
"""
