"""``python -m btc_store.alive daemon|live|alerts``: has it shown a sign of life? For the health check of a container.

They write when they last looked into the database, so one small question answers; none of them listens on a port.
"""

import asyncio
import sys
from collections.abc import Sequence

from btc_core.errors import BtcError, InputError
from btc_store.connection import connect, explain
from btc_store.settings import load_settings
from btc_store.statements import statement

# A daemon beats every 30 s at the latest; the live lane looks every 5, and who sends alerts every 30.
MOST_SECONDS = {"daemon": 180, "live": 60, "alerts": 180}


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask; return 0 where it lives, else 1 with a sentence."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if len(words) != 1 or words[0] not in MOST_SECONDS:
            raise InputError(f"expected {' or '.join(MOST_SECONDS)}, found {' '.join(words) or 'nothing'}")
        age = asyncio.run(seconds_since_sign(load_settings().database_url, words[0]))
    except BtcError as error:
        sys.stderr.write(f"alive: {error}\n")
        return 1
    if age is None or age > MOST_SECONDS[words[0]]:
        sys.stderr.write(f"{words[0]}: no sign of life {'yet' if age is None else f'for {age:.0f} s'}\n")
        return 1
    return 0


async def seconds_since_sign(url: str, name: str) -> float | None:
    """Return how long ago a process was last heard of, by the server's clock; None where it never was.

    Raises:
        DatabaseError: If the database is away or has no table for it.
    """
    import asyncpg

    async with connect(url) as connection:
        try:
            return await connection.fetchval(statement(f"{name}_age"))
        except asyncpg.PostgresError as error:
            raise explain(error, url) from error


if __name__ == "__main__":
    sys.exit(main())
