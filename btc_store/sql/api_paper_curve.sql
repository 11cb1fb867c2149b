-- The worth of a paper account ($1, $2, $3) in so many points ($4) at most, as an eye sees it: the first, the last, and the least and the most of equal parts.
WITH curve AS (
  SELECT time, equity, drawdown, exposure, wanted, price,
         row_number() OVER (ORDER BY time) - 1 AS n, count(*) OVER () AS total
  FROM paper_equity WHERE strategy = $1 AND symbol = $2 AND interval = $3
), parted AS (
  SELECT *, n * greatest(($4::bigint - 2) / 2, 1) / total AS part FROM curve
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY part ORDER BY equity, time) AS least,
         row_number() OVER (PARTITION BY part ORDER BY equity DESC, time) AS most
  FROM parted
)
SELECT time, equity, drawdown, exposure, wanted, price FROM ranked
WHERE n IN (0, total - 1) OR total <= $4 OR ($4 >= 4 AND 1 IN (least, most))
ORDER BY time
