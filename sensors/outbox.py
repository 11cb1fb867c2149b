"""The sensor that shows what was done outside of Dagster: the outbox becomes materialisations and check evaluations."""

from collections.abc import Mapping, Sequence

import dagster as dg

from btc_core.model.timerange import format_time
from btc_store.outbox import Posted, read_outbox
from resources.timescale import Timescale

# Dagster stores the events of a tick one by one.
MOST_ROWS = 500
DERIVED, WRITTEN = "rows derived", "rows written"


def build_outbox_sensor() -> dg.SensorDefinition:
    """Return the sensor; its cursor is the number of the last report that it has shown."""

    @dg.sensor(
        name="outbox",
        # Dagster looks at its sensors every 5 s: 4 makes each of those looks count.
        minimum_interval_seconds=4,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows what the live lane has derived: materialisations and checks without a run.",
    )
    def outbox(context: dg.SensorEvaluationContext, timescale: dg.ResourceParam[Timescale]) -> dg.SensorResult:
        after = int(context.cursor or 0)
        with timescale.frames() as frames:
            posted = read_outbox(frames, after=after, most=MOST_ROWS)
        if not posted:
            return dg.SensorResult(skip_reason=f"nothing was reported after number {after}")
        return dg.SensorResult(asset_events=events_of(posted), cursor=str(posted[-1].id))

    return outbox


def events_of(posted: Sequence[Posted]) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Return the events to show.

    Of several materialisations of a partition the newest tells of all of them, and of results of a check that say the
    same one after the other the last.
    """
    newest = {(p.report.asset_key, p.report.partition): p.id for p in posted if p.report.kind == "materialization"}
    repeated = _repeated(posted)
    written: dict[tuple[str, str], tuple[int, int]] = {}
    events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
    for each in posted:
        report, key = each.report, (each.report.asset_key, each.report.partition)
        if report.kind == "check":
            if each.id not in repeated:
                events.append(_check(each))
            continue
        n_rows, n_written = written.get(key, (0, 0))
        written[key] = n_rows + _number(report.metadata, DERIVED), n_written + _number(report.metadata, WRITTEN)
        if each.id == newest[key]:
            events.append(_materialization(each, *written[key]))
    return events


def _repeated(posted: Sequence[Posted]) -> set[int]:
    """Return the numbers of results that the next one of the same check and partition says again."""
    following: dict[tuple[str, str | None, str], tuple[bool | None, str | None]] = {}
    repeated: set[int] = set()
    for each in reversed(posted):
        report = each.report
        key, word = (report.asset_key, report.check_name, report.partition), (report.passed, report.severity)
        if following.get(key) == word:
            repeated.add(each.id)
        following[key] = word
    return repeated


def _materialization(posted: Posted, n_rows: int, n_written: int) -> dg.AssetMaterialization:
    report, counts = posted.report, {DERIVED: n_rows, WRITTEN: n_written}
    return dg.AssetMaterialization(
        asset_key=_key(report.asset_key),
        partition=report.partition,
        metadata={**_shown(posted), **{name: n for name, n in counts.items() if name in report.metadata}},
    )


def _check(posted: Posted) -> dg.AssetCheckEvaluation:
    report = posted.report
    metadata = _shown(posted)
    description = metadata.pop("description", None)
    return dg.AssetCheckEvaluation(
        asset_key=_key(report.asset_key),
        check_name=report.check_name or "",
        passed=bool(report.passed),
        severity=dg.AssetCheckSeverity(report.severity),
        description=None if description is None else str(description),
        metadata=metadata,
        partition=report.partition,
    )


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def _number(metadata: Mapping[str, object], name: str) -> int:
    value = metadata.get(name, 0)
    return value if isinstance(value, int) else 0


def _shown(posted: Posted) -> dict[str, dg.MetadataValue | str | int | float]:
    """Return the metadata as the UI shows it: a list of records is a table."""
    shown: dict[str, dg.MetadataValue | str | int | float] = {"derived at": format_time(posted.created_at)}
    for name, value in posted.report.metadata.items():
        if isinstance(value, str | int | float):
            shown[name] = value
        else:
            shown[name] = dg.MetadataValue.table([dg.TableRecord(dict(record)) for record in value])
    return shown
