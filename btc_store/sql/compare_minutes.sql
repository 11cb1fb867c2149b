-- What the exchange's history says of the minutes of a symbol ($11) in [$12, $13), and whether that is to be written: a
-- row that changes nothing is neither locked nor written. Put after incoming_from_arrays.
SELECT time, verdict,
       verdict IN ('new', 'imported', 'lost_tail', 'conflict')
       OR (verdict = 'same' AND (is_import OR state = 'provisional'))
       OR (verdict = 'fewer' AND state = 'confirmed') AS is_news
FROM (
  SELECT time, stored.state, stored.source LIKE 'import:%' AS is_import,
         CASE
           WHEN told.source IS NULL THEN CASE stored.state WHEN 'provisional' THEN 'unanswered' ELSE 'kept' END
           WHEN stored.source IS NULL THEN 'new'
           WHEN (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades)
                IS NOT DISTINCT FROM (told.open, told.high, told.low, told.close, told.volume, told.trades) THEN 'same'
           WHEN stored.source LIKE 'import:%' THEN 'imported'
           WHEN coalesce(told.trades, 0) > coalesce(stored.trades, 0) THEN 'lost_tail'
           WHEN coalesce(told.trades, 0) = coalesce(stored.trades, 0) THEN 'conflict'
           ELSE 'fewer'
         END AS verdict
  FROM (
    SELECT * FROM candles WHERE symbol = $11 AND interval = '1m' AND time >= $12 AND time < $13
  ) AS stored
  FULL JOIN incoming AS told USING (time)
) AS compared
ORDER BY time
