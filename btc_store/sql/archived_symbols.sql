-- Every symbol of which something is stored that is archived; those of candles are looked up one after the other by index.
WITH RECURSIVE collected AS (
  SELECT min(symbol) AS symbol FROM candles
  UNION ALL
  SELECT (SELECT min(symbol) FROM candles WHERE symbol > collected.symbol) FROM collected WHERE collected.symbol IS NOT NULL
)
SELECT symbol FROM collected WHERE symbol IS NOT NULL
UNION SELECT symbol FROM funding
UNION SELECT symbol FROM data_quality
UNION SELECT symbol FROM backtest_runs
UNION SELECT symbol FROM paper_accounts
UNION SELECT symbol FROM decisions WHERE backtest_id IS NULL
UNION SELECT symbol FROM candle_revisions
ORDER BY symbol
