-- Put funding rates into the table. Twice is once: a row that says nothing new is not touched. What the exchange itself
-- said is never overwritten from a file, and an hour is settled once, however a source stamps it.
INSERT INTO funding AS stored (time, symbol, rate, premium, source)
SELECT time, $1, rate, premium, $2 FROM incoming
ON CONFLICT (symbol, date_bin('1 hour', time, timestamptz 'epoch')) DO UPDATE SET
  time = excluded.time, rate = excluded.rate, premium = excluded.premium, source = excluded.source, ingested_at = now()
WHERE (stored.source LIKE 'import:%' OR excluded.source NOT LIKE 'import:%')
  AND (stored.time, stored.rate, stored.premium, stored.source)
      IS DISTINCT FROM (excluded.time, excluded.rate, excluded.premium, excluded.source)
