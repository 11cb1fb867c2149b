"""Missing minutes."""

from datetime import timedelta

import polars as pl

from btc_core.check import FINDING_SCHEMA, Check, Evidence, Source, Subject, Summary, Turn, counted
from btc_core.gaps import gaps_between
from btc_core.model.timerange import MINUTE
from btc_core.parameters import Parameters


def _reach(parameters: Parameters) -> timedelta:  # noqa: ARG001  # nothing to tune
    # What is known of a gap that has just ended is the minute behind it.
    return MINUTE


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:  # noqa: ARG001  # nothing to tune
    # Only what lies between accounted minutes is a gap: before the first and after the last nothing is missing yet.
    found = gaps_between(evidence[Source.ACCOUNTED]["time"])
    return pl.DataFrame(
        [(gap.start, gap.end, f'{{"n_minutes": {gap.n_minutes}}}', "error") for gap in found],
        schema=FINDING_SCHEMA,
        orient="row",
    )


def _summarise(found: pl.DataFrame) -> Summary:
    n_minutes = int((found["end_time"] - found["start_time"]).dt.total_minutes().sum())
    told = f"{counted(found.height, 'gap')}, {counted(n_minutes, 'minute')} missing"
    return told if found.height else "no minute is missing", {"gaps": found.height, "missing minutes": n_minutes}


CHECK = Check(
    description="No minute is missing between the first and the last stored one. Findings go to `data_quality` "
    "and close themselves when the minutes come.",
    subject=Subject.MINUTES,
    sources=(Source.ACCOUNTED,),
    find=_find,
    kind="gap",
    reach=_reach,
    turn=Turn.EVERY_RUN,
    # What an outage took never comes back: a red check that nobody can heal would only be ignored (docs/adr/0007).
    is_mild=True,
    is_alone=True,
    summarise=_summarise,
)
