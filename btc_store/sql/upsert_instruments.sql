-- Keep the exchange's terms of what is traded; those that are the same as before are not touched.
INSERT INTO instruments AS known (symbol, coin, sz_decimals, max_leverage)
SELECT symbol, coin, sz_decimals, max_leverage FROM incoming
ON CONFLICT (symbol) DO UPDATE SET
  coin = excluded.coin, sz_decimals = excluded.sz_decimals, max_leverage = excluded.max_leverage, updated_at = now()
WHERE (known.coin, known.sz_decimals, known.max_leverage)
      IS DISTINCT FROM (excluded.coin, excluded.sz_decimals, excluded.max_leverage)
