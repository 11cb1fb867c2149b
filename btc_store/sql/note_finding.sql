-- Write a finding; one that is open already keeps its date and takes the newer details.
INSERT INTO data_quality AS known (symbol, interval, kind, severity, start_time, end_time, details, resolved_at)
VALUES ($1, '1m', $2, $3, $4, $5, $6::jsonb, CASE WHEN $7 THEN now() END)
ON CONFLICT (symbol, interval, kind, start_time, end_time, (details ->> 'strategy'))
  WHERE resolved_at IS NULL AND start_time IS NOT NULL AND kind <> 'quarantined'
DO UPDATE SET details = excluded.details, severity = excluded.severity
WHERE (known.details, known.severity) IS DISTINCT FROM (excluded.details, excluded.severity)
