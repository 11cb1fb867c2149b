-- Take the lock of whoever looks and sends, for this session; false where another one holds it.
SELECT pg_try_advisory_lock(hashtext('btc alerts'))
