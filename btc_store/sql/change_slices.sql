-- Ten-second slices of ingested_at since a time, with a checksum each: a change that was committed late shows in it.
SELECT symbol || '|' || floor(extract(epoch FROM ingested_at) / 10)::bigint AS slice,
       sum((extract(epoch FROM time)::bigint / 60) * (revision + 1))::text AS checksum,
       max(ingested_at) AS newest
FROM candles WHERE interval = '1m' AND ingested_at >= $1
GROUP BY 1
