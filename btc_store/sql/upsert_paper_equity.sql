-- Keep what a paper account was worth at decisions; the same again is nothing.
INSERT INTO paper_equity AS stored (strategy, symbol, interval, time, equity, drawdown, exposure, wanted, price)
SELECT $1, $2, $3, time, equity, drawdown, exposure, wanted, price FROM incoming
ON CONFLICT (strategy, symbol, interval, time) DO UPDATE SET
  equity = excluded.equity, drawdown = excluded.drawdown, exposure = excluded.exposure, wanted = excluded.wanted,
  price = excluded.price
WHERE (stored.equity, stored.drawdown, stored.exposure, stored.wanted, stored.price)
      IS DISTINCT FROM (excluded.equity, excluded.drawdown, excluded.exposure, excluded.wanted, excluded.price)
