"""The sensor that notices that nothing comes any more: checks of every minute, without a run."""

from collections.abc import Callable, Sequence
from itertools import groupby

import dagster as dg
import msgspec

from resources.timescale import Timescale

# By asset and check, and by partition: how it stands.
Told = dict[str, dict[str, tuple[bool, str]]]


def build_staleness_sensor(look: Callable[[Timescale], list[dg.AssetCheckEvaluation]]) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        look: Makes the checks, keeps their findings and returns a result for each symbol.
    """

    @dg.sensor(
        name="staleness",
        minimum_interval_seconds=59,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks at the age of each symbol's newest minute. A result is told when it is another one: a "
        "market that runs costs no event.",
    )
    def staleness(context: dg.SensorEvaluationContext, timescale: dg.ResourceParam[Timescale]) -> dg.SensorResult:
        before = msgspec.json.decode(context.cursor, type=Told) if context.cursor else {}
        looked = sorted(look(timescale), key=_name)
        results = {name: list(each) for name, each in groupby(looked, key=_name)}
        now: Told = {
            name: {str(result.partition): (result.passed, result.severity.value) for result in each}
            for name, each in results.items()
        }
        news = [each for name, each in results.items() if before.get(name) != now[name]]
        return dg.SensorResult(
            asset_events=[_of_all_symbols(each) for each in news],
            skip_reason=None if news else "nothing has changed",
            cursor=msgspec.json.encode(now).decode(),
        )

    return staleness


def _of_all_symbols(results: Sequence[dg.AssetCheckEvaluation]) -> dg.AssetCheckEvaluation:
    """Return one result of all symbols: a check shows its latest, and one symbol that passes would hide another.

    It has no partition: the present is no month's, and next month nobody would take the result back.
    """
    failed = [result for result in results if not result.passed]
    names = ", ".join(str(result.partition).rpartition("|")[2] for result in failed)
    why = "; ".join(dict.fromkeys(result.description or "" for result in failed))
    tables = [table for result in failed if isinstance(table := result.metadata.get("which"), dg.TableMetadataValue)]
    records = [record for table in tables for record in table.records]
    is_error = any(result.severity == dg.AssetCheckSeverity.ERROR for result in failed)
    return dg.AssetCheckEvaluation(
        asset_key=results[0].asset_key,
        check_name=results[0].check_name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=f"{len(failed)} of {len(results)} symbols: {names}: {why}" if failed else "nothing is wrong",
        metadata={"symbols": len(results), **({"which": dg.MetadataValue.table(records)} if records else {})},
    )


def _name(result: dg.AssetCheckEvaluation) -> str:
    return f"{result.asset_key.to_user_string()} {result.check_name}"
