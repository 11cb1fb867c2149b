-- The newest live decision of a strategy that opens before a time: when, the exposure it left, and the state of a rule
-- of steps; every row of a candle has those. The order is the index's own, from its first column that is not held by an equality: by any other, all
-- decisions of the strategy would be read and sorted.
SELECT time, exposure, (indicator_snapshot -> 'state')::text AS state FROM decisions
WHERE symbol = $1 AND interval = $2 AND strategy = $3 AND backtest_id IS NULL AND time < $4
ORDER BY backtest_id DESC, time DESC, revision DESC, seq DESC LIMIT 1
