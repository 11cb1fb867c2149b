-- Take minutes ($3, $4: starts and ends, all in [$5, $6)) out of the open findings of a kind: they are said to be
-- something else. What such a finding says of other minutes stays open, as a finding of the same date.
WITH taken AS (
  SELECT range_agg(tstzrange(first_time, last_time)) AS ranges
  FROM unnest($3::timestamptz[], $4::timestamptz[]) AS asked(first_time, last_time)
), ended AS (
  UPDATE data_quality SET resolved_at = now() FROM taken
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable') AND kind = $2
    AND end_time > $5 AND start_time < $6 AND tstzrange(start_time, end_time) && ranges
  RETURNING data_quality.*, ranges
)
INSERT INTO data_quality (detected_at, symbol, interval, kind, severity, start_time, end_time, details)
SELECT detected_at, symbol, interval, kind, severity, lower(part), upper(part), details
FROM ended CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(start_time, end_time)) - ranges) AS part
ON CONFLICT DO NOTHING
