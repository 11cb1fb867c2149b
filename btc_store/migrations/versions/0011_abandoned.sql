-- Whoever computes a backtest, or is going to, holds a session's advisory lock by its id. A process that is killed can say
-- nothing any more, but its session ends with it, and the lock with that.
CREATE FUNCTION backtest_lock(backtest uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('backtest ' || backtest::text, 0)
$$;

-- What is wrong with a backtest whose row says that it goes on: nobody holds its lock. Null where somebody does, or where
-- it is over. Volatile, so that the second look is at rows as they are after the first: what has just been finished is.
CREATE FUNCTION backtest_fault(backtest uuid, status text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF status NOT IN ('queued', 'running') OR EXISTS (
    SELECT FROM pg_locks AS held
    WHERE held.locktype = 'advisory' AND held.objsubid = 1 AND held.granted
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (held.classid::bigint << 32) | held.objid::bigint = backtest_lock(backtest)
  ) OR NOT EXISTS (
    SELECT FROM backtest_runs AS run WHERE run.id = backtest AND run.status IN ('queued', 'running')
  ) THEN
    RETURN NULL;
  END IF;
  RETURN 'The process that computed it ended without a word: it was killed, or its machine went down. Ask for it again.';
END $$;
