-- The newest live decision of a strategy that opens before a time: when, and the exposure it left.
SELECT time, exposure FROM decisions
WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time < $4
ORDER BY time DESC, revision DESC, seq LIMIT 1
