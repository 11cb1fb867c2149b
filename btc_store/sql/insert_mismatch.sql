-- Keep what a comparison of two sources over [start, end) found: open where they are far apart, else closed already.
-- The same comparison twice is one finding.
INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, details, resolved_at)
SELECT $1, '1m', 'mismatch', $2, $3::timestamptz, $4::timestamptz, $5::jsonb, CASE WHEN $2 = 'info' THEN now() END
WHERE NOT EXISTS (
  SELECT FROM data_quality
  WHERE symbol = $1 AND interval = '1m' AND kind = 'mismatch'
    AND start_time = $3 AND end_time = $4 AND details = $5::jsonb)
ON CONFLICT (symbol, interval, kind, start_time, end_time, (details ->> 'strategy'))
  WHERE resolved_at IS NULL AND start_time IS NOT NULL AND kind <> 'quarantined'
DO UPDATE SET details = excluded.details
