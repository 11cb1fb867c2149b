-- Of each of some symbols ($1) that have minutes: how many of [$2, $3) are due, stored, confirmed, and without trades.
SELECT asked.symbol, count(candles.time) AS n_stored, count(*) FILTER (WHERE state = 'confirmed') AS n_confirmed,
       (extract(epoch FROM $3 - greatest($2, first)) / 60)::integer AS n_minutes,
       coalesce((
         SELECT sum(extract(epoch FROM least(end_time, $3) - greatest(start_time, $2, first)) / 60)
         FROM data_quality AS known
         WHERE known.symbol = asked.symbol AND known.interval = '1m' AND kind = 'no_trade' AND resolved_at IS NULL
           AND end_time > greatest($2, first) AND start_time < $3), 0)::integer AS n_no_trade
FROM unnest($1::text[]) AS asked (symbol) CROSS JOIN LATERAL (
  SELECT time AS first FROM candles
  WHERE candles.symbol = asked.symbol AND interval = '1m' ORDER BY time LIMIT 1) AS edge
LEFT JOIN candles
  ON candles.symbol = asked.symbol AND interval = '1m' AND time >= $2 AND time < $3
WHERE first < $3
GROUP BY asked.symbol, first
ORDER BY asked.symbol
