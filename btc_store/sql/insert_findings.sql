-- Open findings; one that is open already is left as it is.
INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, details)
SELECT $1, $2, $3, $4, start_time, end_time, details::jsonb FROM incoming
ON CONFLICT DO NOTHING
