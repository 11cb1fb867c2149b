-- Of which symbols ($1) something is open about minutes in [start, end) ($2, $3): what heals reads many more rows.
-- The order is the index's: without it the planner reads the whole table, because it takes the first row to come soon.
SELECT symbol, bool_or(kind = 'conflict') AS is_disputed, bool_or(kind <> 'conflict') AS is_absent
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS healed(symbol, first_time, last_time)
JOIN LATERAL (
  (SELECT kind FROM data_quality
   WHERE symbol = healed.symbol AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
     AND end_time > first_time AND start_time < last_time
   ORDER BY end_time LIMIT 1)
  UNION ALL
  (SELECT kind FROM data_quality
   WHERE symbol = healed.symbol AND interval = '1m' AND resolved_at IS NULL AND kind = 'conflict'
     AND kind IN ('no_trade', 'unrecoverable', 'conflict') AND end_time > first_time AND start_time < last_time
   ORDER BY end_time LIMIT 1)
) AS open ON true
GROUP BY symbol
