-- Open findings; one that is open already keeps its date and takes the newer details.
INSERT INTO data_quality AS known (symbol, interval, kind, severity, start_time, end_time, details)
SELECT $1, $2, $3, $4, start_time, end_time, details::jsonb FROM incoming
ON CONFLICT (symbol, interval, kind, start_time, end_time, (details ->> 'strategy'))
  WHERE resolved_at IS NULL AND start_time IS NOT NULL AND kind <> 'quarantined'
DO UPDATE SET details = excluded.details WHERE known.details <> excluded.details
