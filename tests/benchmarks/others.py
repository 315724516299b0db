"""The same nothing in other systems: 100 steps in a row (DBOS: 1,000), ms per step.

They are optional (``uv sync --group benchmarks``), so no type checker reads this file.
"""

import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

LONG, WIDE = 100, 1_000
ROUNDS = 3


def _best_ms(run: Callable[[], Awaitable[None]], count: int) -> float:
    async def timed() -> float:
        began = time.perf_counter()
        await run()
        return time.perf_counter() - began

    return min(asyncio.run(timed()) for _ in range(ROUNDS)) / count * 1000


def _pydantic_graph_ms() -> float:
    from pydantic_graph import GraphBuilder, StepContext

    builder = GraphBuilder(input_type=int, output_type=int)
    previous: Any = builder.start_node
    for number in range(LONG):

        @builder.step(node_id=f"n{number}")
        async def nothing(context: StepContext[None, None, int]) -> int:
            return context.inputs

        builder.add_edge(previous, nothing)
        previous = nothing
    builder.add_edge(previous, builder.end_node)
    graph = builder.build()

    async def run() -> None:
        await graph.run(inputs=1)

    return _best_ms(run, LONG)


def _langgraph_ms() -> float:
    from langgraph.func import entrypoint, task

    @task
    async def nothing(value: int) -> int:
        return value

    @entrypoint()
    async def flow(count: int) -> int:
        for number in range(count):
            await nothing(number)
        return count

    async def run() -> None:
        await flow.ainvoke(LONG)

    return _best_ms(run, LONG)


def _prefect_ms() -> float:
    os.environ.update(PREFECT_LOGGING_LEVEL="CRITICAL", PREFECT_SERVER_ANALYTICS_ENABLED="false")
    os.environ["PREFECT_HOME"] = tempfile.mkdtemp()
    from prefect import flow, task
    from prefect.testing.utilities import prefect_test_harness

    @task
    async def nothing(value: int) -> int:
        return value

    @flow
    async def chain() -> None:
        for number in range(LONG):
            await nothing(number)

    with prefect_test_harness():
        return _best_ms(chain, LONG)


def _dagster_ms() -> float:
    from dagster import DagsterInstance, job, op

    logging.disable(logging.CRITICAL)

    @op
    def nothing(value: int) -> int:
        return value

    @job
    def chain() -> None:
        value = nothing.alias("n0")()
        for number in range(1, LONG):
            value = nothing.alias(f"n{number}")(value)

    began = time.perf_counter()
    result = chain.execute_in_process(
        run_config={"ops": {"n0": {"inputs": {"value": 1}}}},
        instance=DagsterInstance.ephemeral(),
    )
    assert result.success
    logging.disable(logging.NOTSET)
    return (time.perf_counter() - began) / LONG * 1000


def _dbos_ms() -> float:
    """Its steps are recorded in SQLite, too: this is the one that compares with our journal."""
    import sqlite3

    if sqlite3.sqlite_version_info < (3, 42):  # it needs unixepoch('subsec')
        import pysqlite3

        sys.modules.update({"sqlite3": pysqlite3, "sqlite3.dbapi2": pysqlite3.dbapi2})
    from dbos import DBOS

    place = f"sqlite:///{tempfile.mkdtemp()}/dbos.sqlite"
    config = {"name": "bench", "system_database_url": place, "run_admin_server": False}
    DBOS(config={**config, "log_level": "ERROR"})

    @DBOS.step()
    async def nothing(value: int) -> int:
        return value

    @DBOS.workflow()
    async def chain(count: int) -> int:
        for number in range(count):
            await nothing(number)
        return count

    async def run() -> None:
        await chain(WIDE)

    DBOS.launch()
    try:
        return _best_ms(run, WIDE)
    finally:
        DBOS.destroy()


OTHERS: dict[str, tuple[str, Callable[[], float]]] = {
    "pydantic-graph": ("pydantic_graph", _pydantic_graph_ms),
    "LangGraph functional": ("langgraph", _langgraph_ms),
    "Prefect": ("prefect", _prefect_ms),
    "Dagster": ("dagster", _dagster_ms),
    "DBOS": ("dbos", _dbos_ms),
}
