-- What is counted or kept once: which figure, its labels, its value.
SELECT 'btc_findings_open' AS name, ARRAY[kind, severity] AS labels, count(*)::float8 AS value
FROM data_quality WHERE resolved_at IS NULL GROUP BY kind, severity
UNION ALL SELECT 'btc_backtests', ARRAY[status], count(*) FROM backtest_runs GROUP BY status
UNION ALL SELECT 'btc_outbox_rows', ARRAY[]::text[], coalesce(max(id) - min(id) + 1, 0) FROM outbox
UNION ALL SELECT 'btc_live_age_seconds', ARRAY[]::text[], extract(epoch FROM clock_timestamp() - looked_at)
  FROM live_state WHERE looked_at IS NOT NULL
UNION ALL SELECT 'btc_paper_equity', ARRAY[strategy, symbol, interval], equity FROM paper_accounts
UNION ALL SELECT 'btc_paper_drawdown', ARRAY[strategy, symbol, interval], drawdown FROM paper_accounts
UNION ALL SELECT 'btc_paper_exposure', ARRAY[strategy, symbol, interval], exposure FROM paper_accounts
UNION ALL SELECT 'btc_database_bytes', ARRAY[]::text[], pg_database_size(current_database())
