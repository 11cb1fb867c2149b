"""The sensor that tells people: it looks every half minute what is wrong and what was decided, and sends it.

It keeps nothing itself: incidents and messages are rows, so a tick that is lost, or a daemon that starts anew, says
nothing twice and forgets nothing.
"""

import asyncio

import dagster as dg

from resources.alerts import LOOK_SECONDS, Desk, log_faults, look_once, open_desk
from resources.timescale import Timescale


def build_alerts_sensor(every_seconds: float = LOOK_SECONDS) -> dg.SensorDefinition:
    """Return the sensor. It costs nothing where nobody is to be told: not even a connection.

    Args:
        every_seconds: Between two looks, real seconds. The daemon looks every 5.
    """
    desks: list[Desk] = []

    @dg.sensor(
        name="alerts",
        # A second less: 30 s would become 35.
        minimum_interval_seconds=max(int(every_seconds) - 1, 4),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends what is wrong, and what was decided, to the channels of ALERT_URLS (docs/alerts.md). One "
        "message when it begins, one when it is over; a digest once a day.",
    )
    def alerts(timescale: dg.ResourceParam[Timescale]) -> dg.SkipReason:
        if not timescale.settings.alert_urls:
            return dg.SkipReason("ALERT_URLS is empty in this process: nobody is told from here")
        if not desks:
            desks.append(open_desk(timescale.settings))
            log_faults(desks[0])
        desk = desks[0]
        # Nothing is told while there is nobody to tell: it begins for whoever comes later.
        looked = [str(asyncio.run(look_once(desk)))] if desk.opened else []
        return dg.SkipReason("; ".join([*looked, *desk.faults]))

    return alerts
