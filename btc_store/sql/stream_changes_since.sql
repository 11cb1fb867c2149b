-- What was committed since a snapshot ($1; null: nothing) that is for the live stream, and the snapshot of now. One row without a channel where there is nothing.
SELECT pg_current_snapshot()::text AS cursor, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax,
       channel, symbol, interval, n_rows, start_time, end_time, times, ids
FROM (SELECT $1::text::pg_snapshot AS seen) AS last
LEFT JOIN stream_changes ON xid >= pg_snapshot_xmin(seen) AND NOT pg_visible_in_snapshot(xid, seen)
