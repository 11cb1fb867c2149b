-- What is stored of a symbol ($1) and interval ($2), by the index's own order: one look for each name.
WITH RECURSIVE stored AS (
  (SELECT indicator_name FROM indicators WHERE symbol = $1 AND interval = $2 ORDER BY indicator_name LIMIT 1)
  UNION ALL
  SELECT (SELECT following.indicator_name FROM indicators AS following
          WHERE symbol = $1 AND interval = $2 AND following.indicator_name > stored.indicator_name
          ORDER BY following.indicator_name LIMIT 1)
  FROM stored WHERE stored.indicator_name IS NOT NULL)
SELECT indicator_name FROM stored WHERE indicator_name IS NOT NULL
