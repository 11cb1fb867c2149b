-- Put indicator values into the table; one that is the same is not touched.
INSERT INTO indicators AS stored (time, symbol, interval, indicator_name, value, parameters)
SELECT time, $1, $2, indicator_name, value, parameters::jsonb FROM incoming
ON CONFLICT (symbol, interval, indicator_name, time) DO UPDATE SET
  value = excluded.value, parameters = excluded.parameters, ingested_at = now()
WHERE (stored.value, stored.parameters) IS DISTINCT FROM (excluded.value, excluded.parameters)
