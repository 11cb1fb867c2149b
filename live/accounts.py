"""The paper accounts of what was decided, behind the decisions: a look that is quiet takes them further.

They are followed before the checks, and like those remembered as not done until they are: a lane that dies leaves both
to the next one, or to Dagster.
"""

import time
from datetime import datetime

from btc_core.across import reached
from btc_core.pending import Due
from btc_store.derive import Provenance
from btc_store.frames import Frames
from btc_store.outbox import write_outbox
from btc_store.paper import follow
from live.plan import Plan
from live.reports import RUN_ID, Work, add_work, materialization, partition_of


def follow_due(frames: Frames, plan: Plan, symbol: str, due: Due, *, now: datetime) -> None:
    """Take the accounts of a symbol's decisions to the newest minute, and report those that it changed.

    Args:
        frames: The database.
        plan: What there is.
        symbol: Whose.
        due: What was derived; all its months at once, because an account goes to the present in any case.
        now: The present instant of the market.
    """
    spans = {
        i: every for i in plan.intervals if (every := [span for month in due.months for span in due.spans(month, i)])
    }
    work: Work = {}
    by = Provenance(run_id=RUN_ID, now=now)
    for interval, strategies in plan.strategies.items():
        for strategy in strategies:
            if each := reached(strategy, interval, spans):
                started = time.monotonic()
                written = follow(frames, symbol, interval, each, strategy, config=plan.paper, rule=plan.rule, by=by)
                add_work(work, strategy.name, each, written, time.monotonic() - started)
    partition = partition_of(due.months[-1], symbol)
    reports = [
        materialization(f"paper/{name}", partition, spans=sorted(ranges), written=written, seconds=seconds)
        for name, (ranges, written, seconds) in work.items()
        if written.n_written
    ]
    write_outbox(frames, reports)
