-- What changed, for the API's live stream: a row for each statement and series that it wrote, whoever wrote it. A reader
-- remembers the snapshot of its last look (pg_current_snapshot), and sees on the next one exactly what was committed
-- since, however late a transaction was committed and in whatever order. `times` and `ids` say which rows, where they are
-- few; else start_time and end_time say between which, both inclusive. A row of the channel "pruned" stands for all that
-- was deleted.
CREATE TABLE stream_changes (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  channel text NOT NULL CHECK (channel IN ('candles', 'decisions', 'quality', 'pruned')),
  symbol text NOT NULL,
  interval text NOT NULL,
  n_rows bigint NOT NULL,
  start_time timestamptz,
  end_time timestamptz,
  times timestamptz[],
  ids bigint[],
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX stream_changes_xid ON stream_changes (xid);
CREATE INDEX stream_changes_noted ON stream_changes (noted_at);

-- One word wakes whoever listens, once a transaction; what there is to say is in the table.
CREATE FUNCTION note_series_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'decisions' THEN
    INSERT INTO public.stream_changes (channel, symbol, interval, n_rows, start_time, end_time, times)
    SELECT 'decisions', symbol, interval, count(*), min(time), max(time),
           CASE WHEN count(*) <= 500 THEN array_agg(DISTINCT time) END
    FROM changed WHERE backtest_id IS NULL GROUP BY symbol, interval;
  ELSE
    INSERT INTO public.stream_changes (channel, symbol, interval, n_rows, start_time, end_time, times)
    SELECT 'candles', symbol, interval, count(*), min(time), max(time),
           CASE WHEN count(*) <= 500 THEN array_agg(time) END
    FROM changed GROUP BY symbol, interval;
  END IF;
  IF FOUND THEN
    PERFORM pg_notify('stream_changes', '');
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION note_finding_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.stream_changes (channel, symbol, interval, n_rows, start_time, end_time, ids)
  SELECT 'quality', symbol, interval, count(*), min(start_time), max(end_time),
         CASE WHEN count(*) <= 500 THEN array_agg(id) END
  FROM changed GROUP BY symbol, interval;
  IF FOUND THEN
    PERFORM pg_notify('stream_changes', '');
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER candles_note_new AFTER INSERT ON candles
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_series_change();
CREATE TRIGGER candles_note_changed AFTER UPDATE ON candles
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_series_change();
CREATE TRIGGER decisions_note_new AFTER INSERT ON decisions
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_series_change();
CREATE TRIGGER data_quality_note_new AFTER INSERT ON data_quality
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_finding_change();
CREATE TRIGGER data_quality_note_changed AFTER UPDATE ON data_quality
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_finding_change();
CREATE TRIGGER data_quality_note_gone AFTER DELETE ON data_quality
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_finding_change();
