-- What the live lane has done, for Dagster to show without a run of its own (sensors/outbox.py).
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('materialization', 'check')),
  asset_key text NOT NULL,               -- candles/37m
  check_name text,
  partition text NOT NULL,               -- 2025-02-01|BTC: month and symbol, as Dagster writes it
  passed boolean,
  severity text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT outbox_check CHECK (
    (kind = 'check') = (check_name IS NOT NULL AND passed IS NOT NULL AND severity IS NOT NULL))
);

CREATE INDEX outbox_created ON outbox (created_at);

-- What the live lane remembers (btc_store/live_state.py), and when it last looked, by this server's clock.
CREATE TABLE live_state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  state jsonb NOT NULL DEFAULT '{}',
  serves text NOT NULL DEFAULT '',
  looked_at timestamptz
);
INSERT INTO live_state DEFAULT VALUES;

-- Whoever listens is told that minutes of a symbol were written, once a transaction. An import is history: the lane
-- finds it on its next look, and half a million rows are not announced one by one.
CREATE FUNCTION announce_minute() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('candles_1m', new.symbol);
  RETURN NULL;
END $$;

CREATE TRIGGER candles_announce_new AFTER INSERT ON candles FOR EACH ROW
  WHEN (new.interval = '1m' AND new.source NOT LIKE 'import:%')
  EXECUTE FUNCTION announce_minute();

-- A minute that is confirmed as it was stored is no news: ingested_at stays.
CREATE TRIGGER candles_announce_changed AFTER UPDATE ON candles FOR EACH ROW
  WHEN (new.interval = '1m' AND new.source NOT LIKE 'import:%' AND new.ingested_at IS DISTINCT FROM old.ingested_at)
  EXECUTE FUNCTION announce_minute();
