#!/bin/bash
# Who may do what: the owner of our tables is no superuser, the collector writes minutes, the API's user only reads.
# It runs once on an empty database, and may be run again: then it gives everybody the password that is in the file now.
# An empty secret is refused: whoever reaches the port would be in.
set -euo pipefail

secret() {
  local value
  value=$(tr -d '\r\n' <"${BTC_SECRETS:-/run/secrets}/$1")
  [ "${#value}" -ge 12 ] || {
    echo "secrets/$1: expected at least 12 characters, found ${#value}: openssl rand -hex 24 > secrets/$1" >&2
    exit 1
  }
  printf %s "$value"
}
admin=$(secret db_admin_password)
owner=$(secret db_password)
collector=$(secret db_collector_password)
api=$(secret db_api_password)
# By the environment, of this one program: what stands on a command line, every process of the machine can read.
admin=$admin owner=$owner collector=$collector api=$api psql --set=ON_ERROR_STOP=1 --quiet \
  --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv user POSTGRES_USER
\getenv database POSTGRES_DB
\getenv admin admin
\getenv owner owner
\getenv collector collector
\getenv api api
SET password_encryption = 'scram-sha-256';
-- Not in the server's log, should a statement be wrong.
SET log_min_error_statement = panic;
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['btc_bot', 'btc_reader', 'btc_collector', 'btc_api']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE :"user" PASSWORD :'admin';
ALTER ROLE btc_bot LOGIN PASSWORD :'owner' CREATEROLE;
ALTER ROLE btc_reader NOLOGIN;
ALTER ROLE btc_collector LOGIN PASSWORD :'collector';
ALTER ROLE btc_api LOGIN PASSWORD :'api';
GRANT btc_reader TO btc_bot WITH ADMIN OPTION;
GRANT btc_reader TO btc_api;
ALTER DATABASE :"database" OWNER TO btc_bot;
ALTER SCHEMA public OWNER TO btc_bot;
-- Nobody else may sign in to it, nor make tables of his own.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO btc_reader, btc_collector;
SELECT 'CREATE EXTENSION timescaledb'
WHERE current_setting('shared_preload_libraries') LIKE '%timescaledb%'
  AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') \gexec
SQL
