-- What happened to a symbol ($1) in the 24 h until $2: of its stored minutes; volatility as a yearly fraction.
WITH minutes AS (
  SELECT time, open, high, low, close, volume, trades, state,
         ln(close / lag(close) OVER (ORDER BY time)) AS log_return, lag(time) OVER (ORDER BY time) AS before
  FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2::timestamptz - interval '24 hours' AND time < $2
), known AS (
  SELECT count(*) AS n FROM no_trade_minutes($1, $2::timestamptz - interval '24 hours', $2)
)
SELECT count(*) AS n_minutes, (SELECT n FROM known) AS n_no_trade,
       count(*) FILTER (WHERE state = 'provisional') AS n_provisional,
       (array_agg(open ORDER BY time))[1] AS open, max(high) AS high, min(low) AS low,
       (array_agg(close ORDER BY time DESC))[1] AS close, sum(volume) AS volume,
       sum(volume * (high + low + close) / 3) AS volume_quote, sum(trades) AS trades, max(time) AS newest,
       -- of one-minute returns, those across a gap left out, scaled to 365 days
       sqrt(sum(log_return ^ 2) FILTER (WHERE time - before = interval '1 minute')
            / nullif(count(log_return) FILTER (WHERE time - before = interval '1 minute'), 0) * 525600) AS volatility
FROM minutes
