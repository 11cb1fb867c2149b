-- A page of live decisions as JSON, ascending: a symbol ($1), pairs of an interval ($2) and a strategy ($3), in [$4, $5), of
-- some signals ($6; null: all), every revision or the newest ($7), behind a place ($8 to $12), $13 at most.
SELECT coalesce(json_agg(page), '[]')::text AS items, count(*) AS n,
       (array_agg(concat_ws('|', to_char(page.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), page.interval,
                            page.strategy, page.revision, page.seq)))[count(*)] AS last
FROM (
  SELECT said.* FROM unnest($2::text[], $3::text[]) AS wanted (interval, strategy) CROSS JOIN LATERAL (
    SELECT time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot, parameters,
           backtest_id, revision, run_id, code_version, data_revision, decided_at
    FROM decisions AS decision
    WHERE symbol = $1 AND interval = wanted.interval AND strategy = wanted.strategy AND backtest_id IS NULL
      AND time >= $4 AND time < $5 AND ($6::text[] IS NULL OR signal = ANY ($6))
      AND ($7::boolean OR revision = (
        SELECT max(revision) FROM decisions AS other
        WHERE other.symbol = $1 AND other.interval = wanted.interval AND other.strategy = wanted.strategy
          AND other.backtest_id IS NULL AND other.time = decision.time))
      AND ($8::timestamptz IS NULL
           OR (time, interval, strategy, revision, seq) > ($8, $9::text, $10::text, $11::integer, $12::integer))
    ORDER BY time, revision, seq LIMIT $13) AS said
  ORDER BY time, interval, strategy, revision, seq LIMIT $13) AS page
