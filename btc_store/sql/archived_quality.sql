-- The months of findings about a symbol ($1), by when they were detected in [$2, $3), with a digest: they grow and close.
SELECT to_char(date_trunc('month', detected_at AT TIME ZONE 'UTC'), 'YYYY-MM') AS month, count(*) AS n_rows,
       md5(string_agg(md5(data_quality::text), '' ORDER BY id)) AS digest
FROM data_quality WHERE symbol = $1 AND detected_at >= $2 AND detected_at < $3
GROUP BY 1 ORDER BY 1
