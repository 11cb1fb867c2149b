-- A role for the collector: minutes and what is said of them, nothing that is derived, nothing of Dagster's. It may be
-- there already, for roles belong to the whole server; and whoever upgrades may not be allowed to make one. Then the
-- collector signs in as the owner, as it did before.

-- What hangs on a write is written for whoever made it, so that nobody else need be able to; and nobody can hang it on a
-- table of his own.
ALTER FUNCTION keep_candle_revision() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION note_no_trade() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION note_series_change() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION note_finding_change() SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION keep_candle_revision(), note_no_trade(), note_series_change(), note_finding_change()
  FROM PUBLIC;

-- 1m and derived candles share a table, and hypertables know no policies by row: whoever may not delete is not the
-- pipeline, and writes minutes alone. One look a statement.
CREATE FUNCTION refuse_derived_candles() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT has_table_privilege('public.candles', 'DELETE') AND EXISTS (SELECT FROM changed WHERE interval <> '1m') THEN
    RAISE insufficient_privilege USING MESSAGE = format('%s may write 1m candles alone', current_user);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER candles_refuse_derived_new AFTER INSERT ON candles
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refuse_derived_candles();
CREATE TRIGGER candles_refuse_derived_changed AFTER UPDATE ON candles
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION refuse_derived_candles();

-- Findings are everybody's to read; the collector speaks of minutes, in the kinds that are its own.
ALTER TABLE data_quality ENABLE ROW LEVEL SECURITY;
CREATE POLICY data_quality_read ON data_quality FOR SELECT USING (true);

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'btc_collector') THEN
    CREATE ROLE btc_collector NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
  WHEN insufficient_privilege THEN RAISE NOTICE 'no role btc_collector: % may not create roles', current_user;
END $$;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'btc_collector') THEN
    BEGIN
      GRANT USAGE ON SCHEMA public TO btc_collector;
    EXCEPTION
      -- Whoever owns the schema has given it to everybody, or has not.
      WHEN insufficient_privilege THEN RAISE NOTICE 'the schema is not % to give', current_user;
    END;
    GRANT SELECT ON candles, data_quality, symbol_coins, market_clock, database_identity TO btc_collector;
    -- Neither its revision nor when it was written is the collector's to say.
    GRANT INSERT (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
      ON candles TO btc_collector;
    GRANT UPDATE (open, high, low, close, volume, trades, source, state) ON candles TO btc_collector;
    GRANT INSERT, UPDATE, DELETE ON data_quality TO btc_collector;
    GRANT INSERT (symbol, coin), UPDATE (coin, since) ON symbol_coins TO btc_collector;
    GRANT UPDATE (sim, real, rate) ON market_clock TO btc_collector;
    CREATE POLICY data_quality_collector ON data_quality TO btc_collector
      USING (interval = '1m' AND kind IN ('no_trade', 'unrecoverable', 'conflict', 'correction', 'quarantined'));
  END IF;
END $$;

-- What the API may know of Dagster, whose schema is not the reader's: how it is, and none of what is in its runs. Null
-- where Dagster has never run.
CREATE FUNCTION dagster_figures(OUT daemon_age_seconds double precision, OUT n_failed_day bigint, OUT n_waiting bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF to_regclass('dagster.runs') IS NOT NULL AND to_regclass('dagster.daemon_heartbeats') IS NOT NULL THEN
    EXECUTE $sql$
      SELECT (SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - max(timestamp))::float8 FROM dagster.daemon_heartbeats),
             (SELECT count(*) FROM dagster.runs
              WHERE status = 'FAILURE' AND update_timestamp >= now() AT TIME ZONE 'UTC' - interval '1 day'),
             (SELECT count(*) FROM dagster.runs WHERE status IN ('QUEUED', 'NOT_STARTED'))
    $sql$ INTO daemon_age_seconds, n_failed_day, n_waiting;
  END IF;
END $$;
REVOKE EXECUTE ON FUNCTION dagster_figures() FROM PUBLIC;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'btc_reader') THEN
    GRANT EXECUTE ON FUNCTION dagster_figures() TO btc_reader;
  END IF;
END $$;
