-- The minutes of a symbol in [since, until) that are not stored and known to be without trades: an open finding says so.
-- One of the present or of the future is not over.
CREATE FUNCTION no_trade_minutes(wanted text, since timestamptz, until timestamptz) RETURNS SETOF timestamptz
LANGUAGE sql STABLE ROWS 10 AS $$
  SELECT DISTINCT minute
  FROM public.data_quality CROSS JOIN LATERAL generate_series(
    date_bin('1 minute', greatest(start_time, since) + interval '59.999999 seconds', timestamptz 'epoch'),
    least(end_time, until, date_trunc('minute', public.market_now())) - interval '1 microsecond',
    interval '1 minute') AS minute
  WHERE symbol = wanted AND interval = '1m' AND resolved_at IS NULL AND kind = 'no_trade'
    -- as the index data_quality_minutes says it
    AND kind IN ('no_trade', 'unrecoverable', 'conflict') AND end_time > since AND start_time < until
    AND NOT EXISTS (
      -- OFFSET 0 keeps the planner from joining every chunk of the table before it leaves out all but one or two.
      SELECT FROM (SELECT time FROM public.candles
                   WHERE symbol = wanted AND interval = '1m' AND time >= since AND time < until OFFSET 0) AS stored
      WHERE stored.time = minute)
$$;

-- Minutes that a transaction said to be without trades (1), or took back (-1): what hangs on them is derived again, like
-- a minute that was written (btc_store/changes.py). Findings grow in place and are split, so they do not tell by
-- themselves what changed.
CREATE TABLE no_trade_changes (
  symbol text NOT NULL,
  start_time timestamptz NOT NULL,
  end_time timestamptz NOT NULL,
  change smallint NOT NULL CHECK (change IN (1, -1)),
  noted_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX no_trade_changes_noted ON no_trade_changes (noted_at);

CREATE FUNCTION said_no_trade(finding data_quality) RETURNS tstzmultirange LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN finding.kind = 'no_trade' AND finding.interval = '1m' AND finding.resolved_at IS NULL
                AND finding.start_time < finding.end_time
         THEN tstzmultirange(tstzrange(finding.start_time, finding.end_time)) ELSE '{}'::tstzmultirange END
$$;

CREATE FUNCTION note_no_trade() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before tstzmultirange := public.said_no_trade(old);
  after tstzmultirange := public.said_no_trade(new);
BEGIN
  INSERT INTO public.no_trade_changes (symbol, start_time, end_time, change)
  SELECT coalesce(new.symbol, old.symbol), lower(part), upper(part), change
  FROM (SELECT unnest(after - before) AS part, 1 AS change
        UNION ALL SELECT unnest(before - after), -1) AS parts;
  IF FOUND THEN
    PERFORM pg_notify('candles_1m', coalesce(new.symbol, old.symbol));
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER data_quality_note_no_trade AFTER INSERT OR UPDATE OR DELETE ON data_quality FOR EACH ROW
  EXECUTE FUNCTION note_no_trade();

-- Decisions used to wait for such minutes, or to skip a candle for them: they are made now.
INSERT INTO no_trade_changes (symbol, start_time, end_time, change)
SELECT symbol, start_time, end_time, 1 FROM data_quality WHERE said_no_trade(data_quality) <> '{}';

-- A statement that is not bounded in time is planned over every chunk: of eight years 9 instead of 423 (law 11).
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM set_chunk_time_interval('candles', INTERVAL '364 days');
  END IF;
END $$;

-- Which data a decision saw: the newest ingested_at of the candles that it looked at. What was written later it did not
-- see. Null: decided before this was kept.
ALTER TABLE decisions ADD COLUMN data_revision timestamptz;
