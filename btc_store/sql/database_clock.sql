-- What time it is on the database's clock, real time.
SELECT clock_timestamp() AS now
