-- As in 0007, and usable from PostgreSQL 16 on: whoever made a role may hand it on, and not take it before he has given
-- it to himself.
DO $$
BEGIN
  IF current_setting('server_version_num')::int >= 160000
     AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'btc_reader')
     AND NOT pg_has_role(current_user, 'btc_reader', 'SET') THEN
    EXECUTE format('GRANT btc_reader TO %I', current_user);
  END IF;
EXCEPTION
  -- Two grants of the same role at once are an internal error of one ("tuple concurrently updated").
  WHEN insufficient_privilege OR unique_violation OR internal_error THEN
    RAISE NOTICE 'btc_reader is not usable by %: %', current_user, SQLERRM;
END $$;
