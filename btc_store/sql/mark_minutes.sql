-- Say of minutes ($3, $4: starts and ends, all in [$5, $6)) of a symbol, as far as they are not stored, that they are
-- of a kind. Open findings of that kind that overlap them or touch them become one with them: the longest one grows, and
-- the others, which say the same, go.
WITH stored AS (
  SELECT coalesce(range_agg(tstzrange(time, time + interval '1 minute')), tstzmultirange()) AS ranges FROM candles
  WHERE symbol = $1 AND interval = '1m' AND time >= $5 AND time < $6
), wanted AS (
  SELECT unnest(range_agg(tstzrange(first_time, last_time)) - (SELECT ranges FROM stored)) AS span
  FROM unnest($3::timestamptz[], $4::timestamptz[]) AS asked(first_time, last_time)
), touching AS (
  SELECT id, tstzrange(start_time, end_time) AS span FROM data_quality
  WHERE symbol = $1 AND interval = '1m' AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable') AND kind = $2
    AND end_time >= $5 AND start_time <= $6
    AND EXISTS (SELECT FROM wanted WHERE end_time >= lower(wanted.span) AND start_time <= upper(wanted.span))
), grown AS (
  SELECT unnest(range_agg(span)) AS span
  FROM (SELECT span FROM wanted UNION ALL SELECT span FROM touching) AS pieces
), matched AS (
  SELECT grown.span, touching.id, touching.span = grown.span AS is_whole,
         row_number() OVER (PARTITION BY grown.span
                            ORDER BY upper(touching.span) - lower(touching.span) DESC, id) AS rank
  FROM grown LEFT JOIN touching ON touching.span <@ grown.span
), gone AS (
  DELETE FROM data_quality USING matched WHERE data_quality.id = matched.id AND rank > 1
), moved AS (
  UPDATE data_quality SET start_time = lower(span), end_time = upper(span), severity = $7, details = $8::jsonb
  FROM matched WHERE data_quality.id = matched.id AND rank = 1 AND NOT is_whole
)
INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, details)
SELECT $1, '1m', $2, $7, lower(span), upper(span), $8::jsonb FROM matched WHERE id IS NULL
