-- What importing 1m candles of a symbol in [first, last] does, by verdict: as upsert_minutes will decide.
SELECT CASE
         WHEN stored.time IS NULL THEN 'new'
         WHEN (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.trades)
              IS NOT DISTINCT FROM
              (incoming.open, incoming.high, incoming.low, incoming.close, incoming.volume, incoming.trades) THEN 'same'
         WHEN stored.source LIKE 'import:%' THEN 'changed'
         ELSE 'refused'
       END AS verdict,
       count(*) AS n_rows
FROM incoming
LEFT JOIN candles AS stored
  ON stored.symbol = $1 AND stored.interval = '1m' AND stored.time >= $2 AND stored.time <= $3
     AND stored.time = incoming.time
GROUP BY 1
