-- Keep what a strategy said in a backtest.
INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot,
                       parameters, backtest_id, revision, run_id, code_version, data_revision,
                       decided_at)
SELECT time, $1, $2, $3, seq, signal, confidence, exposure, price, indicator_snapshot::jsonb,
       $4::jsonb, $5::uuid, 0, $6, $7, data_revision, $8
FROM incoming
