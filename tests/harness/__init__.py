r"""Programs under a microscope: what a command leaves behind when it is ended.

``subreaper.Subreaper``
    Runs a command below a process that every orphan falls to, and tells which processes of the
    command are alive: by descent alone, never by a marker in an environment.
``terminal.Terminal``
    The keyboard and screen of such a command, for ^C and ^Z.
``hostile.KINDS``
    Ten kinds of tool child that try to get away.
``hostile/agents.py``
    Agents that misbehave: deaf, stopped, flooding, replaced by another program.
``stand_in.py``
    The smallest orchestrator: ``guard()``, some hostile children, a record of its signals.

A proof on the whole program reads::

    with Subreaper(["orchcore", "run"], cwd=folder) as room:
        three = room.three(within_s=20)
        os.kill(three.orchestrator, signal.SIGKILL)
        assert room.left_after(5) == []
        assert room.wait(5) == -signal.SIGKILL

and one with a keyboard::

    with Subreaper(["orchcore", "run"], cwd=folder, terminal=True) as room:
        room.terminal.read_until("reviewing", within_s=20)
        room.terminal.type(b"\x03")
        assert room.wait(10) == 2
        assert room.left_after(5) == []

Hostile tools come from an agent that runs ``hostile.command(kind, pid_file)``: with the scripted
agent as a shell line of a tool call, with a ``text`` adapter as its program.
"""
