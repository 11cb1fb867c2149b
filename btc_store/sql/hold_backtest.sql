-- Say that this session computes a backtest, until it releases it or ends; where another does, wait for that.
SELECT 1 FROM (SELECT pg_advisory_lock(backtest_lock($1::uuid))) AS held
