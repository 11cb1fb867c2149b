"""The domain, pure: vocabulary, arithmetic, indicators, strategies, simulator, metrics.

No socket, file, clock, environment, database or Dagster here: functions take data and ``now`` and return data.
"""
