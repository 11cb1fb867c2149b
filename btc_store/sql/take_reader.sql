-- Whether this session may take the role that only reads, and that role may read our tables.
SELECT EXISTS (
  SELECT FROM pg_roles
  WHERE rolname = 'btc_reader' AND pg_has_role(session_user, oid, 'MEMBER')
    AND coalesce(has_table_privilege(oid, to_regclass('public.candles'), 'SELECT'), false)
) AS is_usable
