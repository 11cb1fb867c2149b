"""``btc alerts``: whom there is to tell, what is wrong, what waits; with ``--follow``, the sending without Dagster."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import click

from btc_assets.commands.options import command, json_option, pass_settings
from btc_assets.commands.output import answer, table
from btc_core.incidents import Incident
from btc_store.alerts import ChannelState, open_incidents, read_channels, seconds_since_look
from btc_store.connection import UNAVAILABLE, connect, explain
from btc_store.settings import Settings


@dataclass(frozen=True, slots=True)
class Alerts:
    """What is known of alerts.

    Attributes:
        channels: Those of this process's environment, and how they do; ``faults`` says which cannot be used.
        faults: A sentence each.
        incidents: Those that are open.
        looked_seconds_ago: When somebody looked last, real time; None: never.
    """

    channels: list[ChannelState]
    faults: list[str]
    incidents: list[Incident]
    looked_seconds_ago: float | None


@command(example="btc alerts\nbtc alerts --follow")
@click.option(
    "--follow", is_flag=True, help="Look every half minute and send, until Ctrl-C: where there is no Dagster."
)
@json_option
@pass_settings
def alerts(settings: Settings, *, follow: bool, as_json: bool) -> None:
    """Show whom there is to tell, which incidents are open and which messages wait.

    Dagster's sensor `alerts` sends them. Where no Dagster runs, --follow does; beside it, it does no harm.
    """
    if follow:
        from btc_store.service import run_service
        from resources.alerts import follow as send_on

        status = run_service("btc alerts", send_on, [], description="", epilog="")
        click.get_current_context().exit(status)
    known = read_alerts(settings)
    answer(known, as_json=as_json, text=_text(known))


def read_alerts(settings: Settings) -> Alerts:
    """Return what is known of alerts.

    Raises:
        ConfigError: If the time zone does not exist.
        DatabaseError: If the database is away, or lacks our tables.
    """
    from resources.alerts import open_desk

    desk = open_desk(settings)
    states, incidents, age = asyncio.run(_read(settings.database_url))
    names = [each.channel.name for each in desk.opened]
    channels = [states.get(name, ChannelState(name=name)) for name in names]
    return Alerts(channels, list(desk.faults), incidents, age)


async def _read(url: str) -> tuple[dict[str, ChannelState], list[Incident], float | None]:
    async with connect(url) as connection:
        try:
            return (
                await read_channels(connection),
                await open_incidents(connection),
                await seconds_since_look(connection),
            )
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, url) from error


def _text(known: Alerts) -> str:
    if not (known.channels or known.faults):
        return "nobody is told: ALERT_URLS is empty (docs/alerts.md)"
    looked = "never" if known.looked_seconds_ago is None else f"{known.looked_seconds_ago:,.0f} s ago"
    rows = [(each.name, each.sent_at, each.n_waiting, each.oldest, _trouble(each)) for each in known.channels]
    parts = [
        *known.faults,
        table(("channel", "sent last", "waiting", "since", "trouble"), rows) if rows else "",
        table(("incident", "of", "severity", "since", "told"), [_row(each) for each in known.incidents])
        if known.incidents
        else "no incident is open",
        f"looked last: {looked}",
    ]
    return "\n\n".join(filter(None, parts))


def _trouble(state: ChannelState) -> str:
    return f"{state.n_failed} failed in a row: {state.error}" if state.n_failed else ""


def _row(incident: Incident) -> tuple[str, str, str, datetime | None, datetime | None]:
    return incident.kind, incident.subject, incident.severity, _whole(incident.started_at), _whole(incident.told_at)


def _whole(instant: datetime | None) -> datetime | None:
    return instant and instant.replace(microsecond=0)


COMMAND = alerts
