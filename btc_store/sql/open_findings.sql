-- Open findings by kind and severity.
SELECT kind, severity, count(*) AS n_findings, min(start_time) AS first, max(end_time) AS last
FROM data_quality WHERE resolved_at IS NULL
GROUP BY kind, severity
ORDER BY kind, severity
