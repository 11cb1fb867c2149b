-- A page of the decisions of a backtest ($1) as JSON, ascending, in [$2, $3), of some signals ($4; null: all), behind a place
-- ($5, $6), $7 at most.
SELECT coalesce(json_agg(page), '[]')::text AS items, count(*) AS n,
       (array_agg(concat_ws('|', to_char(page.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), page.interval,
                            page.strategy, page.revision, page.seq)))[count(*)] AS last
FROM (
  SELECT decision.time, symbol, interval, strategy, seq, signal, confidence, exposure, price, indicator_snapshot,
         parameters, backtest_id, revision, decision.run_id, code_version, data_revision, decided_at
  FROM decisions AS decision JOIN backtest_runs AS run USING (symbol, interval, strategy)
  WHERE run.id = $1 AND backtest_id = $1 AND time >= $2 AND time < $3 AND ($4::text[] IS NULL OR signal = ANY ($4))
    AND ($5::timestamptz IS NULL OR (time, seq) > ($5, $6::integer))
  ORDER BY time, seq LIMIT $7) AS page
