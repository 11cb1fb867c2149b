-- The minutes of a symbol in [start, end] that are known to be without trades, ascending.
SELECT DISTINCT minute AS time
FROM data_quality CROSS JOIN LATERAL generate_series(
  date_bin('1 minute', greatest(start_time, $2::timestamptz) + interval '59.999999 seconds', timestamptz 'epoch'),
  least(end_time - interval '1 microsecond', $3::timestamptz), interval '1 minute') AS minute
WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind = 'no_trade'
  AND kind IN ('no_trade', 'unrecoverable', 'conflict') AND end_time > $2 AND start_time <= $3
ORDER BY minute
