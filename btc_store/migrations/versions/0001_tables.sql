-- Dagster keeps its own tables in a schema beside ours.
CREATE SCHEMA IF NOT EXISTS dagster;

-- Whoever upgrades may not be allowed to look, or to create it: then whoever made the database has done so, or has not.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
     AND current_setting('shared_preload_libraries') LIKE '%timescaledb%' THEN
    CREATE EXTENSION timescaledb;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'no TimescaleDB: % may not create it', current_user;
END $$;

CREATE TABLE candles (
  time timestamptz NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  open double precision NOT NULL,
  high double precision NOT NULL,
  low double precision NOT NULL,
  close double precision NOT NULL,
  volume double precision NOT NULL,
  trades integer,
  minutes integer NOT NULL,              -- a month has up to 44,640: more than a smallint holds (docs/adr/0005)
  source text NOT NULL,
  state text NOT NULL,
  revision integer NOT NULL DEFAULT 0,
  ingested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (symbol, interval, time),
  -- NaN is the largest float to PostgreSQL, so "below infinity" refuses it too.
  CONSTRAINT candles_prices CHECK (
    low > 0 AND high < 'infinity' AND low <= open AND low <= close AND open <= high AND close <= high),
  CONSTRAINT candles_volume CHECK (volume >= 0 AND volume < 'infinity' AND trades >= 0 AND minutes > 0),
  CONSTRAINT candles_state CHECK (state IN ('provisional', 'confirmed'))
);

-- The sensor follows ingested_at of 1m candles.
CREATE INDEX candles_ingested ON candles (ingested_at) WHERE interval = '1m';

CREATE TABLE candle_revisions (
  symbol text NOT NULL,
  time timestamptz NOT NULL,
  revision integer NOT NULL,
  open double precision NOT NULL,
  high double precision NOT NULL,
  low double precision NOT NULL,
  close double precision NOT NULL,
  volume double precision NOT NULL,
  trades integer,
  source text NOT NULL,
  state text NOT NULL,
  ingested_at timestamptz NOT NULL,
  reason text NOT NULL,
  replaced_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (symbol, time, revision)
);

CREATE INDEX candle_revisions_replaced ON candle_revisions (replaced_at);

-- Whoever changes a stored 1m candle: its old values stay, and ingested_at tells the pipeline.
CREATE FUNCTION keep_candle_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.candle_revisions
    (symbol, time, revision, open, high, low, close, volume, trades, source, state, ingested_at, reason)
  VALUES (old.symbol, old.time, old.revision, old.open, old.high, old.low, old.close, old.volume, old.trades,
          old.source, old.state, old.ingested_at,
          coalesce(nullif(current_setting('btc.reason', true), ''), 'newer values from ' || new.source))
  ON CONFLICT DO NOTHING;
  new.revision := old.revision + 1;
  new.ingested_at := now();
  RETURN new;
END $$;

CREATE TRIGGER candles_keep_revision BEFORE UPDATE ON candles FOR EACH ROW
  WHEN (old.interval = '1m' AND
        (old.open, old.high, old.low, old.close, old.volume, old.trades)
        IS DISTINCT FROM (new.open, new.high, new.low, new.close, new.volume, new.trades))
  EXECUTE FUNCTION keep_candle_revision();

CREATE TABLE indicators (
  time timestamptz NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  indicator_name text NOT NULL,
  value double precision NOT NULL,
  parameters jsonb NOT NULL,
  ingested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (symbol, interval, indicator_name, time)
);

CREATE TABLE backtest_runs (
  id uuid PRIMARY KEY,
  strategy text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  start_time timestamptz NOT NULL,
  end_time timestamptz NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'running', 'finished', 'failed', 'cancelled')),
  config jsonb NOT NULL,
  results jsonb,
  progress real NOT NULL DEFAULT 0,
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz
);

CREATE TABLE backtest_trades (
  backtest_id uuid NOT NULL REFERENCES backtest_runs ON DELETE CASCADE,
  seq integer NOT NULL,
  side text NOT NULL,
  entry_time timestamptz NOT NULL,
  entry_price double precision NOT NULL,
  exit_time timestamptz NOT NULL,
  exit_price double precision NOT NULL,
  quantity double precision NOT NULL,
  pnl double precision NOT NULL,
  fees double precision NOT NULL,
  return double precision NOT NULL,
  exit_reason text NOT NULL,
  PRIMARY KEY (backtest_id, seq)
);

CREATE TABLE backtest_equity (
  backtest_id uuid NOT NULL REFERENCES backtest_runs ON DELETE CASCADE,
  time timestamptz NOT NULL,
  equity double precision NOT NULL,
  drawdown double precision NOT NULL,
  exposure double precision NOT NULL,
  PRIMARY KEY (backtest_id, time)
);

CREATE TABLE decisions (
  time timestamptz NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  strategy text NOT NULL,
  seq smallint NOT NULL,
  signal text NOT NULL CHECK (signal IN ('OPEN_LONG', 'OPEN_SHORT', 'CLOSE_LONG', 'CLOSE_SHORT', 'HOLD')),
  confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  exposure double precision NOT NULL,
  price double precision NOT NULL,
  indicator_snapshot jsonb NOT NULL,
  parameters jsonb NOT NULL,
  backtest_id uuid REFERENCES backtest_runs ON DELETE CASCADE,
  revision smallint NOT NULL DEFAULT 0,
  run_id text NOT NULL,
  code_version text NOT NULL,
  decided_at timestamptz NOT NULL,
  -- null is one value here: what was decided live
  UNIQUE NULLS NOT DISTINCT (symbol, interval, strategy, backtest_id, time, revision, seq)
);

CREATE INDEX decisions_of_backtest ON decisions (backtest_id) WHERE backtest_id IS NOT NULL;

CREATE TABLE data_quality (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  detected_at timestamptz NOT NULL DEFAULT now(),
  symbol text NOT NULL,
  interval text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('gap', 'no_trade', 'ohlc_invalid', 'quarantined', 'conflict', 'correction',
                                     'outlier', 'stale', 'mismatch', 'parity', 'unrecoverable')),
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
  start_time timestamptz,
  end_time timestamptz,
  details jsonb NOT NULL DEFAULT '{}',
  resolved_at timestamptz
);

-- One open finding of a kind about the same thing.
CREATE UNIQUE INDEX data_quality_open ON data_quality
  (symbol, interval, kind, start_time, end_time, (details ->> 'strategy')) NULLS NOT DISTINCT
  WHERE resolved_at IS NULL AND start_time IS NOT NULL AND kind <> 'quarantined';

-- The clock that the market runs on: real time, or the scaled one of BTC_CLOCK.
CREATE TABLE market_clock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  sim double precision NOT NULL,
  real double precision NOT NULL,
  rate double precision NOT NULL
);
INSERT INTO market_clock (sim, real, rate) VALUES (0, 0, 1);

CREATE FUNCTION market_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT to_timestamp(sim + (extract(epoch FROM clock_timestamp())::double precision - real) * rate)
  FROM public.market_clock
$$;

-- Every minute of every collected symbol from its first to now has exactly one state.
CREATE VIEW minute_states AS
SELECT first.symbol, minute AS time,
       coalesce(candle.state, (
         SELECT finding.kind FROM data_quality finding
         WHERE finding.symbol = first.symbol AND finding.interval = '1m'
           AND finding.kind IN ('no_trade', 'unrecoverable') AND finding.resolved_at IS NULL
           AND finding.start_time <= minute AND minute < finding.end_time
         ORDER BY finding.kind LIMIT 1), 'missing') AS state
FROM (SELECT symbol, min(time) AS time FROM candles WHERE interval = '1m' GROUP BY symbol) AS first
CROSS JOIN LATERAL generate_series(
  first.time,
  greatest(date_trunc('minute', market_now()) - interval '1 minute',
           (SELECT max(time) FROM candles WHERE symbol = first.symbol AND interval = '1m')),
  interval '1 minute') AS minute
LEFT JOIN candles AS candle
  ON candle.symbol = first.symbol AND candle.interval = '1m' AND candle.time = minute;

-- Hypertables where TimescaleDB is there; the same tables without. Nothing depends on which.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM create_hypertable('candles', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
    PERFORM create_hypertable('indicators', by_range('time', INTERVAL '28 days'), create_default_indexes => false);
  END IF;
END $$;
