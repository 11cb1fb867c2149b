-- Which strategies have decided live on a symbol ($1), and on which intervals: one look for each pair.
WITH RECURSIVE said AS (
  (SELECT interval, strategy FROM decisions WHERE symbol = $1 ORDER BY interval, strategy LIMIT 1)
  UNION ALL
  SELECT following.interval, following.strategy FROM said CROSS JOIN LATERAL (
    SELECT interval, strategy FROM decisions
    WHERE symbol = $1 AND (interval, strategy) > (said.interval, said.strategy)
    ORDER BY interval, strategy LIMIT 1) AS following)
SELECT interval, strategy FROM said
