-- The newest candle of a symbol ($1) and interval ($2) as JSON.
SELECT to_json(candle)::text AS item FROM (
  SELECT time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state, revision, ingested_at
  FROM candles WHERE symbol = $1 AND interval = $2 ORDER BY time DESC LIMIT 1) AS candle
