-- How many minutes of a symbol ($1) in [$2, $3) are neither stored nor known to be without trades.
SELECT count(*)
FROM generate_series($2::timestamptz, $3::timestamptz - interval '1 microsecond', interval '1 minute') AS minute
WHERE NOT EXISTS (SELECT FROM candles WHERE symbol = $1 AND interval = '1m' AND time = minute)
  AND NOT EXISTS (
    SELECT FROM data_quality WHERE symbol = $1 AND interval = '1m' AND kind = 'no_trade' AND resolved_at IS NULL
      AND start_time <= minute AND end_time > minute)
