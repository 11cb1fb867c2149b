-- The last stored minute before the first hole since a time; the newest minute where there is no hole. The newest
-- minute alone proves nothing: a collector that was killed may have stored it before it had stored its history.
SELECT time FROM (
  SELECT time, lead(time) OVER (ORDER BY time) AS next FROM candles
  WHERE symbol = $1 AND interval = '1m' AND time >= $2
) AS stored
WHERE next IS DISTINCT FROM time + interval '1 minute'
ORDER BY time LIMIT 1
