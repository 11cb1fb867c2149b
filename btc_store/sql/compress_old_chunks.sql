-- Have chunks compressed that end more than a week ago, where TimescaleDB's licence allows it; elsewhere do nothing.
-- What is asked for by its age of arrival (ingested_at) is left out of by its bounds, without being unpacked.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
     OR current_setting('timescaledb.license', true) IS DISTINCT FROM 'timescale' THEN
    RETURN;
  END IF;
  -- Said once: settings of a table that has compressed chunks are left as they are.
  IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = 'candles') THEN
    ALTER TABLE candles SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol, interval',
                             timescaledb.compress_orderby = 'time, ingested_at');
  END IF;
  IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables WHERE hypertable_name = 'indicators') THEN
    ALTER TABLE indicators SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol, interval, indicator_name',
                                timescaledb.compress_orderby = 'time');
  END IF;
  PERFORM add_compression_policy('candles', compress_after => INTERVAL '7 days', if_not_exists => true);
  PERFORM add_compression_policy('indicators', compress_after => INTERVAL '7 days', if_not_exists => true);
END $$
