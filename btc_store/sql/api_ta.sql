-- The newest value of each indicator of a symbol ($1) and interval ($2), of those in $3, and the close it was computed at.
SELECT value.indicator_name AS name, value.time, value.value, value.parameters::text AS parameters,
       (SELECT close FROM candles WHERE symbol = $1 AND interval = $2 AND time = value.time) AS close
FROM unnest($3::text[]) AS wanted (name) CROSS JOIN LATERAL (
  SELECT indicator_name, time, value, parameters FROM indicators
  WHERE symbol = $1 AND interval = $2 AND indicator_name = wanted.name ORDER BY time DESC LIMIT 1) AS value
ORDER BY value.indicator_name
