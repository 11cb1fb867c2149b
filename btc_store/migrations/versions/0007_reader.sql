-- A role that may only read, for the API: its sessions take it with SET ROLE. Roles belong to the whole server, so it may
-- be there already, made for another database, perhaps at this moment; and whoever upgrades may not be allowed to make
-- one. Then the API does without: its transactions are read only in any case.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'btc_reader') THEN
    CREATE ROLE btc_reader NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
  WHEN insufficient_privilege THEN RAISE NOTICE 'no role btc_reader: % may not create roles', current_user;
END $$;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'btc_reader') THEN
    GRANT USAGE ON SCHEMA public TO btc_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO btc_reader;
    -- What later migrations add can be read too.
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO btc_reader;
    IF NOT pg_has_role(current_user, 'btc_reader', 'MEMBER') THEN
      EXECUTE format('GRANT btc_reader TO %I', current_user);
    END IF;
  END IF;
EXCEPTION
  -- Two grants of the same role at once are an internal error of one ("tuple concurrently updated").
  WHEN insufficient_privilege OR unique_violation OR internal_error THEN
    RAISE NOTICE 'btc_reader is not usable by %: %', current_user, SQLERRM;
END $$;
