-- What is stored of candles, by symbol and interval: one pass over the table.
SELECT symbol, interval, count(*) AS n_rows, min(time) AS first, max(time) AS last
FROM candles
GROUP BY symbol, interval
ORDER BY symbol, min(minutes), interval
