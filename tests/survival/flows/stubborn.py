"""A body that takes ten minutes to end."""

import asyncio

from orchcore import phase


@phase
async def hold() -> None:
    try:
        await asyncio.sleep(600)
    finally:
        print("ending")
        await asyncio.sleep(600)
