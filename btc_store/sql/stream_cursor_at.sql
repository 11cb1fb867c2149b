-- A snapshot from before a time, as far as changes are kept: of before the first one that was noted within 15 minutes before it, for a transaction may be committed so late. Now, where there is none.
SELECT coalesce((SELECT format('%1$s:%1$s:', xid) FROM stream_changes
                 WHERE noted_at >= $1::timestamptz - interval '15 minutes' ORDER BY xid LIMIT 1),
                pg_current_snapshot()::text)
