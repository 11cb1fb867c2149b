-- Whether this session may take the role that only reads, and that role may read our tables.
-- From PostgreSQL 16 on a member may perhaps only hand a role on, as whoever made it.
SELECT EXISTS (
  SELECT FROM pg_roles
  WHERE rolname = 'btc_reader'
    AND pg_has_role(
      session_user, oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
    )
    AND coalesce(has_table_privilege(oid, to_regclass('public.candles'), 'SELECT'), false)
) AS is_usable
