-- The newest live decision of a strategy that opens before a time: when, and the exposure it left; every row of a candle
-- has that. The order is the index's own, from its first column that is not held by an equality: by any other, all
-- decisions of the strategy would be read and sorted.
SELECT time, exposure FROM decisions
WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time < $4
ORDER BY backtest_id DESC, time DESC, revision DESC, seq DESC LIMIT 1
