-- Live decisions since an instant ($1) that changed the exposure, the newest word for each candle; not on candles that
-- opened before $2.
SELECT DISTINCT ON (strategy, symbol, interval, time) strategy, symbol, interval, time, signal
FROM decisions
WHERE backtest_id IS NULL AND signal <> 'HOLD' AND decided_at >= $1 AND time >= $2
ORDER BY strategy, symbol, interval, time, revision DESC, seq DESC
