-- A page of indicators as JSON, ascending by time and name: a symbol ($1), an interval ($2), names ($3), in [$4, $5), behind
-- a place ($6, $7) where one is given, $8 at most.
SELECT coalesce(json_agg(page), '[]')::text AS items, count(*) AS n,
       (array_agg(page.time))[count(*)] AS time, (array_agg(page.indicator_name))[count(*)] AS name
FROM (
  SELECT value.* FROM unnest($3::text[]) AS wanted (name) CROSS JOIN LATERAL (
    SELECT time, symbol, interval, indicator_name, value, parameters FROM indicators
    WHERE symbol = $1 AND interval = $2 AND indicator_name = wanted.name AND time >= $4 AND time < $5
      AND ($6::timestamptz IS NULL OR (time, indicator_name) > ($6, $7::text))
    ORDER BY time LIMIT $8) AS value
  ORDER BY time, indicator_name LIMIT $8) AS page
