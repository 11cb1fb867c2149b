-- Close what findings say of the minutes of a symbol in [start, end) that are stored: they are neither without trades
-- nor given up. What such a finding says of other minutes stays open, as a finding of the same date.
WITH refuted AS (
  SELECT finding.id, range_agg(tstzrange(minute, minute + interval '1 minute')) AS minutes
  FROM data_quality AS finding
  CROSS JOIN LATERAL generate_series(
    greatest(date_bin('1 minute', finding.start_time + interval '59.999999 seconds', timestamptz 'epoch'), $2),
    least(finding.end_time, $3) - interval '1 microsecond', interval '1 minute') AS minute
  JOIN (SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3) AS stored
    ON stored.time = minute
  WHERE finding.symbol = $1 AND finding.interval = '1m' AND finding.resolved_at IS NULL
    AND finding.kind IN ('no_trade', 'unrecoverable') AND finding.end_time > $2 AND finding.start_time < $3
  GROUP BY finding.id
), healed AS (
  UPDATE data_quality SET resolved_at = now() FROM refuted WHERE data_quality.id = refuted.id
  RETURNING data_quality.*, refuted.minutes
), left_over AS (
  INSERT INTO data_quality (detected_at, symbol, interval, kind, severity, start_time, end_time, details)
  SELECT detected_at, symbol, interval, kind, severity, lower(part), upper(part), details
  FROM healed CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(start_time, end_time)) - minutes) AS part
  ON CONFLICT DO NOTHING
  RETURNING 1
)
SELECT count(*) AS n_healed, (SELECT count(*) FROM left_over) AS n_left FROM healed
