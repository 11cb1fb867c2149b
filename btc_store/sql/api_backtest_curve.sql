-- The equity curve of a backtest ($1) in so many points ($2) at most, as an eye sees it: the first, the last, and the least and the most of equal parts.
WITH curve AS (
  SELECT time, equity, drawdown, exposure,
         row_number() OVER (ORDER BY time) - 1 AS n, count(*) OVER () AS total
  FROM backtest_equity WHERE backtest_id = $1
), parted AS (
  SELECT *, n * greatest(($2::bigint - 2) / 2, 1) / total AS part FROM curve
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY part ORDER BY equity, time) AS least,
         row_number() OVER (PARTITION BY part ORDER BY equity DESC, time) AS most
  FROM parted
)
SELECT time, equity, drawdown, exposure FROM ranked
WHERE n IN (0, total - 1) OR total <= $2 OR ($2 >= 4 AND 1 IN (least, most))
ORDER BY time
