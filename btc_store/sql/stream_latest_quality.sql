-- The newest finding about a symbol and interval.
SELECT id, detected_at, symbol, interval, kind, severity, start_time, end_time, details, resolved_at
FROM data_quality WHERE symbol = $1 AND interval = $2
ORDER BY id DESC LIMIT 1
