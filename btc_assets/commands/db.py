"""``btc db``: bring the database to this version's schema, and say what it holds."""

import asyncio

import click

from btc_assets.commands.options import command, debug_option, json_option, pass_settings
from btc_assets.commands.output import answer, table
from btc_assets.commands.queries import fetch
from btc_store.settings import Settings


@click.group(epilog="\b\nExample:\n  btc db upgrade\n  btc db status --json")
@debug_option
def db() -> None:
    """Migrate the database; say what it holds."""


@command(example="btc db upgrade\nbtc db upgrade --wait 300")
@click.option("--wait", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="For a server that starts.")
@json_option
@pass_settings
def upgrade(settings: Settings, *, wait: float, as_json: bool) -> None:
    """Bring the database to the schema of this version; what is up to date stays as it is."""
    from btc_store.connection import wait_for_server
    from btc_store.schema import upgrade as upgrade_schema

    if wait:
        asyncio.run(wait_for_server(settings.database_url, seconds=wait))
    before, after = upgrade_schema(settings.database_url)
    done = f"schema {after} is up to date" if before == after else f"schema {before or 'none'} became {after}"
    answer({"before": before, "after": after}, as_json=as_json, text=f"{settings.shown_database}: {done}")


@command(example="btc db status\nbtc db status --json")
@json_option
@pass_settings
def status(settings: Settings, *, as_json: bool) -> None:
    """Say which schema the database has, and which candles, by symbol and interval."""
    from btc_store.schema import revisions

    found, wanted = revisions(settings.database_url)
    queries = [("stored_series", ()), ("table_sizes", ())] if found else []
    series, sizes = fetch(settings.database_url, *queries) if queries else ([], [])
    value = {
        "database": settings.shown_database,
        "schema": {"found": found, "wanted": wanted},
        "series": [dict(row) for row in series],
        "tables": [dict(row) for row in sizes],
    }
    lines = [f"{settings.shown_database}: {_schema_text(found, wanted)}"]
    if series:
        columns = ("symbol", "interval", "rows", "first", "last")
        lines += ["", table(columns, [tuple(row.values()) for row in series])]
    elif found:
        lines.append("no candles are stored: import some with `btc import FILE --symbol BTC`, or start the collector")
    if sizes:
        lines += ["", table(("table", "MiB"), [(row["name"], round(row["n_bytes"] / 2**20, 1)) for row in sizes])]
    answer(value, as_json=as_json, text="\n".join(lines))


def _schema_text(found: str | None, wanted: str) -> str:
    if found == wanted:
        return f"schema {found}, up to date"
    if found is None:
        return f"no tables of ours, expected schema {wanted}: run `btc db upgrade`"
    return f"schema {found}, expected {wanted}: run `btc db upgrade`"


db.add_command(upgrade)
db.add_command(status)

COMMAND = db
