-- Something that was wrong for a while (btc_core/incidents.py). Times are the market's.
CREATE TABLE incidents (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  subject text NOT NULL,                 -- a symbol, a job, a folder
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
  started_at timestamptz NOT NULL,
  noticed_at timestamptz NOT NULL,       -- the first look that saw it
  seen_at timestamptz NOT NULL,          -- the last one
  told_at timestamptz,                   -- null: it is not told yet, or was over before
  ended_at timestamptz,
  size double precision NOT NULL,
  details jsonb NOT NULL
);

CREATE UNIQUE INDEX incidents_open ON incidents (kind, subject) WHERE ended_at IS NULL;
CREATE INDEX incidents_ended ON incidents (ended_at);

-- What there is to say. The key makes it said once: whoever looks again writes it again, and nothing happens.
CREATE TABLE alert_messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL UNIQUE,
  kind text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
  title text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE INDEX alert_messages_created ON alert_messages (created_at);

-- To which channels, and when each of them took it; null: it waits. A channel's name is no secret, its address is.
CREATE TABLE alert_deliveries (
  message_id bigint NOT NULL REFERENCES alert_messages ON DELETE CASCADE,
  channel text NOT NULL,
  sent_at timestamptz,
  PRIMARY KEY (message_id, channel)
);

CREATE INDEX alert_deliveries_waiting ON alert_deliveries (channel, message_id) WHERE sent_at IS NULL;

-- How each channel does.
CREATE TABLE alert_channels (
  name text PRIMARY KEY,
  n_failed integer NOT NULL DEFAULT 0,   -- in a row
  next_at timestamptz,                   -- not tried again before; null: at once
  error text,
  sent_at timestamptz                    -- when it took something last
);

-- What the last look knew.
CREATE TABLE alert_state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  decided_through timestamptz,           -- decisions that were made before are told, or too old
  looked_at timestamptz                  -- by the database's clock
);
INSERT INTO alert_state DEFAULT VALUES;

-- Every look asks what is wrong, and what was decided since the last one.
CREATE INDEX data_quality_wrong ON data_quality (kind, symbol) WHERE resolved_at IS NULL AND severity <> 'info';
CREATE INDEX decisions_changing ON decisions (decided_at)
  WHERE backtest_id IS NULL AND (signal <> 'HOLD' OR revision > 0);
