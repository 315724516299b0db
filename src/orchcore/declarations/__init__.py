"""What a user types in an orchfile: frozen descriptions with precise types and no behaviour.

Comes in: decorated functions and edges. Goes out: declarations that the collector finds and
planning checks. Does not know files, graphs, processes or how anything is run.
"""
