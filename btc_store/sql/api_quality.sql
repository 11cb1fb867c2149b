-- A page of findings as JSON, by number: a symbol ($1), an interval ($2), kinds ($3), open ones or resolved ones ($4), each
-- null for all; that overlap [$5, $6); behind a number ($7), $8 at most.
SELECT coalesce(json_agg(page), '[]')::text AS items, count(*) AS n, max(page.id) AS last
FROM (
  SELECT id, detected_at, symbol, interval, kind, severity, start_time, end_time, details, resolved_at
  FROM data_quality
  WHERE symbol = $1 AND ($2::text IS NULL OR interval = $2) AND ($3::text[] IS NULL OR kind = ANY ($3))
    AND ($4::boolean IS NULL OR (resolved_at IS NULL) = $4)
    AND coalesce(start_time, detected_at) < $6 AND coalesce(end_time, detected_at) >= $5
    AND ($7::bigint IS NULL OR id > $7)
  ORDER BY id LIMIT $8) AS page
