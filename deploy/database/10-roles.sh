#!/bin/bash
# Once, on an empty database: who may do what. The owner of our tables is no superuser, and the API's user only reads.
# An empty secret is refused: whoever reaches the port would be in.
set -euo pipefail

secret() {
  local value
  value=$(tr -d '\r\n' <"/run/secrets/$1")
  [ "${#value}" -ge 12 ] || {
    echo "secrets/$1: expected at least 12 characters, found ${#value}: openssl rand -hex 24 > secrets/$1" >&2
    exit 1
  }
  printf %s "$value"
}
owner=$(secret db_password)
api=$(secret db_api_password)
psql --set=ON_ERROR_STOP=1 --quiet --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --set=owner="$owner" --set=api="$api" <<'SQL'
CREATE ROLE btc_bot LOGIN PASSWORD :'owner' CREATEROLE;
CREATE ROLE btc_reader NOLOGIN;
GRANT btc_reader TO btc_bot WITH ADMIN OPTION;
CREATE ROLE btc_api LOGIN PASSWORD :'api' IN ROLE btc_reader;
ALTER DATABASE btc_data OWNER TO btc_bot;
ALTER SCHEMA public OWNER TO btc_bot;
CREATE EXTENSION IF NOT EXISTS timescaledb;
SQL
