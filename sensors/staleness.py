"""The sensor that notices that nothing comes any more: checks of every minute, without a run."""

from collections.abc import Callable

import dagster as dg
import msgspec

from resources.timescale import Timescale

Told = dict[str, tuple[bool, str]]


def build_staleness_sensor(look: Callable[[Timescale], list[dg.AssetCheckEvaluation]]) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        look: Makes the checks, keeps their findings and returns their results.
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
        results = {_name(result): result for result in look(timescale)}
        now = {name: (result.passed, result.severity.value) for name, result in results.items()}
        news = [result for name, result in results.items() if before.get(name) != now[name]]
        return dg.SensorResult(
            asset_events=[_of_no_partition(result) for result in news],
            skip_reason=None if news else "nothing has changed",
            cursor=msgspec.json.encode(now).decode(),
        )

    return staleness


def _of_no_partition(result: dg.AssetCheckEvaluation) -> dg.AssetCheckEvaluation:
    """Return the result with its partition in words.

    Dagster's table takes one result without a run for each check and partition, and refuses the second (1.13.27,
    idx_asset_check_executions_unique); of results without a partition it takes any number.
    """
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata={**result.metadata, "partition": result.partition or ""},
    )


def _name(result: dg.AssetCheckEvaluation) -> str:
    return f"{result.asset_key.to_user_string()} {result.check_name} {result.partition}"
