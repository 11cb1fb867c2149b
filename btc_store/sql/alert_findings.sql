-- Open findings, not those that only inform, by symbol, kind and whether what they are about was over before $1.
SELECT symbol, kind, coalesce(end_time <= $1, false) AS is_past,
       CASE WHEN bool_or(severity = 'error') THEN 'error' ELSE 'warning' END AS severity,
       count(*) AS n_findings, min(coalesce(start_time, detected_at)) AS first, max(end_time) AS last,
       coalesce(sum(extract(epoch FROM end_time - start_time) / 60), 0)::float8 AS minutes,
       string_agg(DISTINCT interval, ', ') AS intervals,
       bool_or(detected_at > now() - interval '1 day') AS is_news
FROM data_quality
WHERE resolved_at IS NULL AND severity <> 'info' AND kind = ANY ($2::text[])
GROUP BY symbol, kind, is_past
ORDER BY symbol, kind, is_past
