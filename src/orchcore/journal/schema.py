"""The tables of a run's database, ``journal.db``.

``events`` is the record: every event once, in order, as the JSON that ``event_json`` gives. The
other tables are an index to it, written in the same transaction, so that it can be looked into
without reading the whole record. They hold no value themselves: ``ended_seq`` leads to the event
that does. ``key`` is NULL where there is none; ``key_parts`` is not used. Times are unix seconds.
"""

SCHEMA_VERSION = 1
"""What ``PRAGMA user_version`` says: the number of the last migration."""

APPLICATION_ID = 0x4F726368
"""What ``PRAGMA application_id`` says ("Orch"): tells a journal from a foreign database."""

FIRST_TABLES = (
    # One row: the run. It outlives the processes that work on it.
    """
    CREATE TABLE meta (
        run TEXT NOT NULL,
        orchfile TEXT NOT NULL,
        created_at REAL NOT NULL,
        created_by TEXT NOT NULL
    )
    """,
    # One row per orchestrator that wrote here: the first and each resume.
    """
    CREATE TABLE processes (
        number INTEGER PRIMARY KEY,
        version TEXT NOT NULL,
        argv TEXT NOT NULL,
        cwd TEXT NOT NULL,
        host TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        pid INTEGER NOT NULL,
        pid_started REAL NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        exit_code INTEGER
    )
    """,
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        node TEXT NOT NULL,
        body TEXT NOT NULL
    )
    """,
    # Final states of nodes and instances; after a resume a node may have several, the last counts.
    """
    CREATE TABLE results (
        ended_seq INTEGER PRIMARY KEY REFERENCES events(seq),
        node TEXT NOT NULL,
        is_instance INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        state TEXT NOT NULL,
        value_digest TEXT,
        ended_at REAL NOT NULL,
        key TEXT,
        key_parts TEXT
    )
    """,
    "CREATE INDEX results_by_key ON results(key) WHERE key IS NOT NULL",
    # Turns of agents. No row is unique by its names: a resume may repeat an attempt's number.
    """
    CREATE TABLE turns (
        started_seq INTEGER PRIMARY KEY REFERENCES events(seq),
        ended_seq INTEGER REFERENCES events(seq),
        node TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        turn TEXT NOT NULL,
        parent TEXT,
        agent TEXT NOT NULL,
        adapter TEXT NOT NULL,
        model TEXT,
        prompt_digest TEXT NOT NULL,
        folder TEXT NOT NULL,
        session_id TEXT,
        state TEXT NOT NULL,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cached_input_tokens INTEGER,
        cost_usd REAL,
        simulated INTEGER NOT NULL DEFAULT 0,
        started_at REAL NOT NULL,
        ended_at REAL,
        key TEXT,
        key_parts TEXT
    )
    """,
    "CREATE INDEX turns_by_name ON turns(node, attempt, turn)",
    "CREATE INDEX turns_by_key ON turns(key) WHERE key IS NOT NULL",
    # Steps and commands that bodies called.
    """
    CREATE TABLE steps (
        started_seq INTEGER PRIMARY KEY REFERENCES events(seq),
        ended_seq INTEGER REFERENCES events(seq),
        node TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        path TEXT NOT NULL,
        step TEXT NOT NULL,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        exit_code INTEGER,
        started_at REAL NOT NULL,
        ended_at REAL,
        key TEXT,
        key_parts TEXT
    )
    """,
    "CREATE INDEX steps_by_name ON steps(node, attempt, path)",
    "CREATE INDEX steps_by_key ON steps(key) WHERE key IS NOT NULL",
)
