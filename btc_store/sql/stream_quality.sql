-- Some findings, as they are now.
SELECT id, detected_at, symbol, interval, kind, severity, start_time, end_time, details, resolved_at
FROM data_quality WHERE id = ANY ($1::bigint[])
ORDER BY id
