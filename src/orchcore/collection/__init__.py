"""From a path to a ``Collection``: finds the orchfile, imports it, gathers its nodes.

Comes in: a working directory and what the user named. Goes out: a ``Collection``. Does not know
graphs, limits or agents; it is the only room that imports a user's code.
"""
