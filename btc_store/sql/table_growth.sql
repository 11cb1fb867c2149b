-- Bytes, rows (as the planner estimates them) and rows about the last day of each of our tables, and of Dagster's as one.
SELECT name, n_bytes, greatest(n_estimated, n_rows_day) AS n_rows, n_rows_day
FROM (
  SELECT relname::text AS name,
         pg_total_relation_size(oid)
           + coalesce((SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = ours.oid), 0)::bigint
           AS n_bytes,
         greatest(reltuples, 0)::bigint
           + coalesce((SELECT sum(greatest(reltuples, 0)) FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
                       WHERE inhparent = ours.oid), 0)::bigint AS n_estimated,
         CASE relname
           WHEN 'candles' THEN (SELECT count(*) FROM candles WHERE time >= $1::timestamptz - interval '1 day')
           WHEN 'indicators' THEN (SELECT count(*) FROM indicators WHERE time >= $1::timestamptz - interval '1 day')
           WHEN 'decisions' THEN (SELECT count(*) FROM decisions
                                  WHERE time >= $1::timestamptz - interval '1 day' AND backtest_id IS NULL)
           WHEN 'candle_revisions' THEN (SELECT count(*) FROM candle_revisions WHERE replaced_at >= now() - interval '1 day')
           WHEN 'data_quality' THEN (SELECT count(*) FROM data_quality WHERE detected_at >= now() - interval '1 day')
           WHEN 'no_trade_changes' THEN (SELECT count(*) FROM no_trade_changes WHERE noted_at >= now() - interval '1 day')
         END AS n_rows_day
  FROM pg_class AS ours
  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname IN (
    'candles', 'candle_revisions', 'indicators', 'decisions', 'backtest_runs', 'backtest_trades', 'backtest_equity',
    'data_quality', 'no_trade_changes', 'symbol_coins')
  UNION ALL
  SELECT 'dagster', coalesce(sum(pg_total_relation_size(oid)), 0)::bigint, 0, NULL
  FROM pg_class WHERE relnamespace = to_regnamespace('dagster') AND relkind = 'r'
) AS sizes
ORDER BY n_bytes DESC, name
