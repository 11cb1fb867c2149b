-- Open what checks found; a finding that is open already keeps its date and takes the newer words and severity.
INSERT INTO data_quality AS known (symbol, interval, kind, severity, start_time, end_time, details)
SELECT $1, interval, kind,
       CASE WHEN bool_or(severity = 'error') THEN 'error' WHEN bool_or(severity = 'warning') THEN 'warning' ELSE 'info' END,
       start_time, end_time,
       CASE WHEN min(word) = '' THEN (array_agg(jsonb_strip_nulls(details::jsonb)))[1]
            ELSE jsonb_object_agg(word, jsonb_strip_nulls(details::jsonb)) END
FROM incoming
GROUP BY interval, kind, start_time, end_time
ORDER BY start_time, interval, kind
ON CONFLICT (symbol, interval, kind, start_time, end_time, (details ->> 'strategy'))
  WHERE resolved_at IS NULL AND start_time IS NOT NULL AND kind <> 'quarantined'
DO UPDATE SET details = known.details || excluded.details, severity = excluded.severity
WHERE (known.details, known.severity) IS DISTINCT FROM (known.details || excluded.details, excluded.severity)
