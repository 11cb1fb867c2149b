-- Open findings of a symbol that lie in [start, end), of the kinds $4 (comma list), ascending; details as text.
SELECT interval, kind, severity, start_time, end_time, details::text AS details
FROM data_quality
WHERE symbol = $1 AND resolved_at IS NULL AND kind <> 'quarantined' AND kind = ANY (string_to_array($4, ','))
  AND start_time < $3 AND coalesce(end_time, 'infinity') > $2
ORDER BY start_time, interval, kind
