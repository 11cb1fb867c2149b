-- Live decisions that opened a position, newest word on each candle, in [first, last].
SELECT DISTINCT ON (time) time, price, signal FROM decisions
WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time >= $4 AND time <= $5
  AND signal LIKE 'OPEN%'
ORDER BY time, revision DESC
