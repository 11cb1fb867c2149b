-- Keep the decisions of a backtest under another id, too.
INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot,
                       parameters, backtest_id, revision, run_id, code_version, data_revision, decided_at)
SELECT time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot,
       parameters, $2::uuid, revision, run_id, code_version, data_revision, decided_at
FROM decisions WHERE backtest_id = $1::uuid
