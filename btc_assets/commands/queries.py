"""Small answers of the database by asyncpg, for commands that must not wait for Polars to be imported."""

import asyncio
from collections.abc import Sequence

import asyncpg

from btc_store.connection import UNAVAILABLE, connect, explain
from btc_store.statements import statement

Query = tuple[str, Sequence[object]]


def fetch(url: str, *queries: Query) -> list[list[asyncpg.Record]]:
    """Return what statements of ``btc_store/sql`` answer, each with its values, asked over one connection.

    Raises:
        DatabaseError: If the database is away, refuses us, or has another schema.
    """
    return asyncio.run(_fetch(url, queries))


async def _fetch(url: str, queries: Sequence[Query]) -> list[list[asyncpg.Record]]:
    async with connect(url) as connection:
        try:
            return [await connection.fetch(statement(name), *values) for name, values in queries]
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, url) from error
