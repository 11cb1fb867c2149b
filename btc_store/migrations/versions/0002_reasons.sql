-- Whoever changes a stored 1m candle: its old values stay with the reason, and ingested_at tells the pipeline.
--   late_frame  the stream brought a better version after the minute had been stored;
--   lost_tail   the exchange's history has more trades: the stream's last frames were lost;
--   conflict    history has as many trades and other values;
--   imported    an import gave way to history or to another import.
-- What contradicts an earlier word of the exchange is a finding too, over as soon as it is known.
CREATE OR REPLACE FUNCTION keep_candle_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  told text := nullif(current_setting('btc.reason', true), '');
  seen text := CASE
    WHEN new.source = 'ws' THEN 'late_frame'
    WHEN old.source LIKE 'import:%' AND (new.source = 'rest' OR new.source LIKE 'import:%') THEN 'imported'
    WHEN new.source = 'rest' AND coalesce(new.trades, 0) > coalesce(old.trades, 0) THEN 'lost_tail'
    WHEN new.source = 'rest' AND new.trades = old.trades THEN 'conflict'
    ELSE 'newer values from ' || new.source
  END;
BEGIN
  INSERT INTO public.candle_revisions
    (symbol, time, revision, open, high, low, close, volume, trades, source, state, ingested_at, reason)
  VALUES (old.symbol, old.time, old.revision, old.open, old.high, old.low, old.close, old.volume, old.trades,
          old.source, old.state, old.ingested_at, coalesce(told, seen))
  ON CONFLICT DO NOTHING;
  IF told IS NULL AND (seen = 'conflict' OR (old.state = 'confirmed' AND seen IN ('late_frame', 'lost_tail'))) THEN
    INSERT INTO public.data_quality
      (symbol, interval, kind, severity, start_time, end_time, resolved_at, details)
    VALUES (old.symbol, '1m', CASE seen WHEN 'conflict' THEN 'conflict' ELSE 'correction' END, 'info',
            old.time, old.time + interval '1 minute', now(), jsonb_build_object(
      'reason', seen,
      'old', jsonb_build_object('open', old.open, 'high', old.high, 'low', old.low, 'close', old.close,
                                'volume', old.volume, 'trades', old.trades, 'source', old.source, 'state', old.state),
      'new', jsonb_build_object('open', new.open, 'high', new.high, 'low', new.low, 'close', new.close,
                                'volume', new.volume, 'trades', new.trades, 'source', new.source, 'state', new.state)));
  END IF;
  new.revision := old.revision + 1;
  new.ingested_at := now();
  RETURN new;
END $$;

-- Which coin of the exchange a symbol's minutes were collected from, and since when: another one is an alarm.
CREATE TABLE symbol_coins (
  symbol text PRIMARY KEY,
  coin text NOT NULL,
  since timestamptz NOT NULL DEFAULT now()
);

-- Which database this is, wherever it is reached: what waits for it elsewhere goes to no other one.
CREATE TABLE database_identity (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO database_identity DEFAULT VALUES;

-- What is said of minutes that are not stored, or not as they should be; by its end, because what is asked is recent.
CREATE INDEX data_quality_minutes ON data_quality (symbol, end_time, start_time)
  WHERE interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable', 'conflict');

-- Every minute of every collected symbol from its first to now has exactly one state. Stored minutes are read as they
-- are; only the holes between them, and the one up to now, are filled minute by minute.
CREATE OR REPLACE VIEW minute_states AS
SELECT symbol, time, state FROM candles WHERE interval = '1m'
UNION ALL
SELECT hole.symbol, minute AS time, coalesce(told.kind, 'missing') AS state
FROM (
  SELECT symbol, time,
         lead(time, 1, date_trunc('minute', market_now())) OVER (PARTITION BY symbol ORDER BY time) AS next
  FROM candles WHERE interval = '1m'
) AS hole
CROSS JOIN LATERAL generate_series(
  hole.time + interval '1 minute', hole.next - interval '1 minute', interval '1 minute') AS minute
LEFT JOIN (
  SELECT symbol, minute, min(kind) AS kind
  FROM data_quality CROSS JOIN LATERAL generate_series(
    date_bin('1 minute', start_time + interval '59.999999 seconds', timestamptz 'epoch'),
    least(end_time, date_trunc('minute', market_now())) - interval '1 microsecond', interval '1 minute') AS minute
  WHERE interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')
  GROUP BY symbol, minute
) AS told USING (symbol, minute)
WHERE hole.next > hole.time + interval '1 minute';
