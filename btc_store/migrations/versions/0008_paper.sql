-- An account that follows a strategy's live decisions as they are made (btc_store/paper.py). All of it is derived, from
-- when the account was opened, its terms, decisions, minutes and funding: it can be made again.
CREATE TABLE paper_accounts (
  strategy text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  started_at timestamptz NOT NULL,       -- what was decided later, and minutes from here on, count
  through timestamptz NOT NULL,          -- end of the newest minute that it has been through
  config jsonb NOT NULL,                 -- terms and parameters: with others it is opened anew
  state json NOT NULL,                   -- of the simulator, at `through`; not jsonb: the text keeps every bit
  cash double precision NOT NULL,        -- quote currency; equity = cash + quantity * price
  equity double precision NOT NULL,
  drawdown double precision NOT NULL,    -- below the highest equity at a decision so far, as a fraction
  exposure double precision NOT NULL,    -- position / equity, signed, leverage included
  wanted double precision NOT NULL,      -- the exposure that the last order wanted
  quantity double precision NOT NULL,    -- base units, negative is short
  entry_price double precision,          -- mean; null while it is flat
  entry_time timestamptz,
  price double precision,                -- close of the newest minute; null before the first
  n_trades integer NOT NULL,             -- that are over
  n_unfilled integer NOT NULL,           -- orders that were too small to be sent
  fees double precision NOT NULL,        -- since it was opened, as the next; quote currency
  funding double precision NOT NULL,     -- paid; negative is received
  n_restarts integer NOT NULL DEFAULT 0, -- how often other terms have opened it anew
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (strategy, symbol, interval)
);

-- Its trades from flat to flat, as backtest_trades has them; the one that is not over is in the account.
CREATE TABLE paper_trades (
  strategy text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
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
  funding double precision NOT NULL,
  mae double precision NOT NULL,
  mfe double precision NOT NULL,
  missing_minutes integer NOT NULL,
  PRIMARY KEY (strategy, symbol, interval, seq),
  FOREIGN KEY (strategy, symbol, interval) REFERENCES paper_accounts ON DELETE CASCADE
);

-- Its worth at each decision; `time` is when that was known, the candle's close.
CREATE TABLE paper_equity (
  strategy text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  time timestamptz NOT NULL,
  equity double precision NOT NULL,
  drawdown double precision NOT NULL,
  exposure double precision NOT NULL,
  wanted double precision NOT NULL,      -- what the decision said
  price double precision NOT NULL,       -- at which that is
  PRIMARY KEY (strategy, symbol, interval, time),
  FOREIGN KEY (strategy, symbol, interval) REFERENCES paper_accounts ON DELETE CASCADE
);

-- Its state at earlier times: what is corrected is replayed from the one before it.
CREATE TABLE paper_checkpoints (
  strategy text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  through timestamptz NOT NULL,
  state json NOT NULL,
  PRIMARY KEY (strategy, symbol, interval, through),
  FOREIGN KEY (strategy, symbol, interval) REFERENCES paper_accounts ON DELETE CASCADE
);

-- An account asks which rates came late.
CREATE INDEX funding_ingested ON funding (symbol, ingested_at);
