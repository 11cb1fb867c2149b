-- Days (UTC) of each symbol in which a 1m candle was written at or after an instant, ascending.
SELECT symbol, date_trunc('day', time, 'UTC') AS day
FROM candles
WHERE interval = '1m' AND ingested_at >= $1
GROUP BY 1, 2
ORDER BY 1, 2
