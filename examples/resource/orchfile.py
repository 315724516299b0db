"""A resource: opened when it is first needed, shared by phases, closed when the run is over.

    orchcore run examples/resource --products 5

It is closed in every case: after a failure, after ^C, too.
"""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from orchcore import Agent, agent, param, phase, resource, use


class Product(BaseModel):
    name: str
    price: float


@resource
async def database() -> AsyncIterator[sqlite3.Connection]:
    with TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "shop.db")
        connection.execute("CREATE TABLE product (name TEXT, price REAL)")
        yield connection
        connection.close()
        print("the database is closed")


@agent
async def fill(ai: Agent, db: sqlite3.Connection = use(database), products: int = param(3)) -> int:
    for number in range(products):
        product = await ai.ask(f"Invent product {number} of a tea shop.", Product)
        db.execute("INSERT INTO product VALUES (?, ?)", (product.name, product.price))
    return products


@phase(after=[fill])
async def count(db: sqlite3.Connection = use(database)) -> int:
    (rows,) = db.execute("SELECT count(*) FROM product").fetchone()
    return int(rows)
