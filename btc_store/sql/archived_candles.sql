-- The months of 1m candles of a symbol ($1) that overlap [$2, $3), whole, with how many minutes each has and a digest:
-- rows, confirmed ones, the exchange's own, revisions, and the newest write. Revisions are counted, because a transaction
-- that is committed late may be dated before what was there; the exchange's, because an import that it confirms word for
-- word is dated as before. Month by month: to name the month of each row takes twice as long.
SELECT to_char(month, 'YYYY-MM') AS month, n AS n_rows,
       concat_ws(' ', n, n_confirmed, n_exchange, revisions, extract(epoch FROM newest)) AS digest
FROM generate_series(date_trunc('month', $2::timestamptz AT TIME ZONE 'UTC'),
                     $3::timestamptz AT TIME ZONE 'UTC' - interval '1 microsecond', interval '1 month') AS month
CROSS JOIN LATERAL (
  SELECT count(*) AS n, count(*) FILTER (WHERE state = 'confirmed') AS n_confirmed,
         count(*) FILTER (WHERE source NOT LIKE 'import:%') AS n_exchange, sum(revision) AS revisions,
         max(ingested_at) AS newest
  FROM candles
  WHERE symbol = $1 AND interval = '1m' AND time >= month AT TIME ZONE 'UTC'
    AND time < (month + interval '1 month') AT TIME ZONE 'UTC'
) AS stored
WHERE n > 0
ORDER BY 1
