-- Live decisions since an instant that change the exposure, or what was said before: a row a candle and revision, with the
-- exposure that the revision before it said.
SELECT symbol, interval, strategy, time, revision, string_agg(signal, ', then ' ORDER BY seq) AS signals,
       (array_agg(exposure ORDER BY seq DESC))[1] AS exposure, (array_agg(confidence ORDER BY seq DESC))[1] AS confidence,
       (array_agg(price ORDER BY seq DESC))[1] AS price, (array_agg(indicator_snapshot ORDER BY seq DESC))[1]::text AS snapshot,
       (SELECT exposure FROM decisions AS before
        WHERE before.symbol = said.symbol AND before.interval = said.interval AND before.strategy = said.strategy
          AND before.backtest_id IS NULL AND before.time = said.time AND before.revision = said.revision - 1
        ORDER BY seq DESC LIMIT 1) AS exposure_before
FROM decisions AS said
WHERE backtest_id IS NULL AND (signal <> 'HOLD' OR revision > 0) AND decided_at >= $1
GROUP BY symbol, interval, strategy, time, revision
ORDER BY time, symbol, interval, strategy, revision
