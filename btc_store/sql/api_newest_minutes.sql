-- The newest minute of each of some symbols ($1), and the server's own clock.
SELECT wanted.symbol, newest.time, newest.state, clock_timestamp() AS clock
FROM unnest($1::text[]) AS wanted (symbol) LEFT JOIN LATERAL (
  SELECT time, state FROM candles WHERE symbol = wanted.symbol AND interval = '1m' ORDER BY time DESC LIMIT 1
) AS newest ON true
