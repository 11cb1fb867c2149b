-- For people who watch: the first word of each live decision of a strategy on candles after a time.
SELECT interval, time, seq, signal, price, exposure, indicator_snapshot FROM decisions
WHERE symbol = $1 AND interval = ANY($2) AND strategy = $3 AND backtest_id IS NULL AND revision = 0 AND time > $4
ORDER BY interval, time, seq
