-- Whether TimescaleDB (its full edition) has been told to compress, and what it has done; asked where it is there alone.
SELECT (SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression') AS n_policies,
       count(*) FILTER (WHERE is_compressed) AS n_compressed, count(*) AS n_chunks
FROM timescaledb_information.chunks
