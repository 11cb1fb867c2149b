-- What a position pays for being held: `rate` is a fraction of its notional, a long pays what is positive. `time` is the
-- settlement's stamp as the exchange reports it, mostly within a second after the hour.
CREATE TABLE funding (
  time timestamptz NOT NULL,
  symbol text NOT NULL,
  rate double precision NOT NULL,
  premium double precision,
  source text NOT NULL,
  ingested_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (symbol, time),
  CONSTRAINT funding_rate CHECK (rate > -1 AND rate < 1)
);

-- An hour is settled once, however its source stamps it.
CREATE UNIQUE INDEX funding_hour ON funding (symbol, date_bin('1 hour', time, timestamptz 'epoch'));

-- The exchange's terms of what is traded. Null: it has not said so.
CREATE TABLE instruments (
  symbol text PRIMARY KEY,
  coin text NOT NULL,
  sz_decimals smallint CHECK (sz_decimals BETWEEN 0 AND 8),
  max_leverage real CHECK (max_leverage > 0 AND max_leverage < 'infinity'),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Null: kept before this was computed.
ALTER TABLE backtest_trades
  ADD COLUMN funding double precision,
  ADD COLUMN mae double precision,
  ADD COLUMN mfe double precision,
  ADD COLUMN missing_minutes integer;

-- The same backtest has the same fingerprint: what was asked, the code, and the data that it read. Null: kept before, or
-- not known yet. `run_id` is Dagster's, or the command that computed it.
ALTER TABLE backtest_runs
  ADD COLUMN fingerprint text,
  ADD COLUMN run_id text;

CREATE INDEX backtest_runs_fingerprint ON backtest_runs (fingerprint) WHERE status = 'finished';

-- The page of a backtest, gzip.
CREATE TABLE backtest_reports (
  backtest_id uuid PRIMARY KEY REFERENCES backtest_runs ON DELETE CASCADE,
  html bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A sweep by its fingerprint: what was asked, of which code and data. `results` is what it found; null: not finished.
CREATE TABLE sweeps (
  fingerprint text PRIMARY KEY,
  strategy text NOT NULL,
  request jsonb NOT NULL,
  n_trials integer NOT NULL,
  results jsonb,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz
);

-- The outcomes of a stretch of a sweep's trials, from the number `first` on, so that an interrupted one goes on. Not
-- jsonb: the text keeps every bit of a number.
CREATE TABLE sweep_trials (
  fingerprint text NOT NULL REFERENCES sweeps ON DELETE CASCADE,
  first integer NOT NULL,
  outcomes json NOT NULL,
  PRIMARY KEY (fingerprint, first)
);
