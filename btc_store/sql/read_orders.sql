-- What a strategy wants live on the candles that open in [start, end): the newest word of each, ascending.
SELECT DISTINCT ON (time) time, exposure, price FROM decisions
WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time >= $4 AND time < $5
ORDER BY time, revision DESC, seq DESC
