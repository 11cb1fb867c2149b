-- Bytes of each of our tables with its indexes and, of a hypertable, its chunks.
SELECT name, coalesce((SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = class), 0)::bigint
             + pg_total_relation_size(class) AS n_bytes
FROM (SELECT relname::text AS name, oid::regclass AS class FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname IN (
        'candles', 'candle_revisions', 'indicators', 'decisions', 'backtest_runs', 'backtest_trades', 'backtest_equity',
        'data_quality', 'no_trade_changes', 'symbol_coins')) AS ours
ORDER BY n_bytes DESC, name
