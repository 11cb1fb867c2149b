-- As in 0002 (with the rights of 0010), and a restored database loses no revision: it may hold revisions of a minute that
-- bear the number of the row that is stored, or later ones, because they came from elsewhere. What is kept comes after
-- them.
CREATE OR REPLACE FUNCTION keep_candle_revision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  told text := nullif(current_setting('btc.reason', true), '');
  seen text := CASE
    WHEN new.source = 'ws' THEN 'late_frame'
    WHEN old.source LIKE 'import:%' AND (new.source = 'rest' OR new.source LIKE 'import:%') THEN 'imported'
    WHEN new.source = 'rest' AND coalesce(new.trades, 0) > coalesce(old.trades, 0) THEN 'lost_tail'
    WHEN new.source = 'rest' AND new.trades = old.trades THEN 'conflict'
    ELSE 'newer values from ' || new.source
  END;
  number integer := greatest(old.revision, (
    SELECT max(revision) + 1 FROM public.candle_revisions
    WHERE symbol = old.symbol AND time = old.time AND revision >= old.revision));
BEGIN
  INSERT INTO public.candle_revisions
    (symbol, time, revision, open, high, low, close, volume, trades, source, state, ingested_at, reason)
  VALUES (old.symbol, old.time, number, old.open, old.high, old.low, old.close, old.volume, old.trades,
          old.source, old.state, old.ingested_at, coalesce(told, seen));
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
  new.revision := number + 1;
  new.ingested_at := now();
  RETURN new;
END $$;
