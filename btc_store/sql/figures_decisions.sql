-- The newest live decision on each of some symbols ($1), of each strategy on its intervals ($2, $3), as it was first said.
SELECT symbol, interval, strategy, newest.time, newest.decided_at
FROM unnest($1::text[]) AS a(symbol) CROSS JOIN unnest($2::text[], $3::text[]) AS b(strategy, interval)
CROSS JOIN LATERAL (
  SELECT time, decided_at FROM decisions
  WHERE decisions.symbol = a.symbol AND decisions.interval = b.interval AND decisions.strategy = b.strategy
    AND backtest_id IS NULL AND revision = 0
  -- The index's own order, from its first column that is not held by an equality.
  ORDER BY backtest_id DESC, time DESC LIMIT 1
) AS newest
