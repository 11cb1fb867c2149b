#!/usr/bin/env bash
# Make the base images that the Dockerfiles and docker-compose.yml name out of Debian's packages, under their official
# names, for a machine that reaches no image registry. `make docker-test` calls this where `docker pull` finds nothing.
#
#   scripts/docker-stand-ins.sh debian:bookworm-slim timescale/timescaledb:2.19.3-pg17
#
# The database's stand-in is Debian's Apache edition of TimescaleDB: no compression, otherwise the same server. Its
# entry point does of the official one what docker-compose.yml uses. Needs root, docker and debootstrap.
set -euo pipefail

mirror=${APT_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "docker-stand-ins: $*" >&2
  exit 1
}
for tool in docker debootstrap tar; do command -v "$tool" >/dev/null || fail "needs $tool"; done

# A root file system as small as the official slim images: no documents, no lists of packages.
bootstrap() { # SUITE FOLDER [PACKAGES]
  debootstrap --variant=minbase ${3:+--include="$3"} "$1" "$2" "$mirror" >"$work/log" 2>&1 || fail "$(tail -n 3 "$work/log")"
  rm -rf "$2"/usr/share/{doc,man,info,locale,lintian} "$2"/var/{lib/apt/lists,cache/apt/archives}/* "$2"/var/log/*
  printf 'path-exclude %s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' >"$2/etc/dpkg/dpkg.cfg.d/slim"
  printf 'APT::Install-Recommends "false";\n' >"$2/etc/apt/apt.conf.d/slim"
  # Certificates that this machine trusts beside the usual ones: a company's proxy, for instance.
  mkdir -p "$2/usr/local/share/ca-certificates"
  cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$2/usr/local/share/ca-certificates/host.crt"
}

debian() { # NAME SUITE
  bootstrap "$2" "$work/root"
  tar -C "$work/root" -c . | docker import --change 'CMD ["bash"]' - "$1" >/dev/null
}

database() { # NAME
  bootstrap trixie "$work/root" postgresql-17-timescaledb,tzdata,gosu
  cat >"$work/root/usr/local/bin/docker-entrypoint.sh" <<'ENTRY'
#!/bin/bash
# Of the official image's entry point: a new cluster, its owner and password, one database, the scripts beside it.
set -euo pipefail
PGDATA=${PGDATA:-/var/lib/postgresql/data}
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres:postgres "$PGDATA" /run/postgresql
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres}
  initdb --username="$user" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale=C.UTF-8 -D "$PGDATA" >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses= -c shared_preload_libraries=timescaledb" start >/dev/null
  [ "${POSTGRES_DB:-$user}" = postgres ] || createdb -U "$user" "${POSTGRES_DB:-$user}"
  psql -qU "$user" -d "${POSTGRES_DB:-$user}" -c 'CREATE EXTENSION IF NOT EXISTS timescaledb' 2>/dev/null
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sql) psql -v ON_ERROR_STOP=1 -qU "$user" -d "${POSTGRES_DB:-$user}" -f "$script" ;;
      *.sh) . "$script" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi
exec "$@" -D "$PGDATA" -c "listen_addresses=*"
ENTRY
  chmod 755 "$work/root/usr/local/bin/docker-entrypoint.sh"
  tar -C "$work/root" -c . | docker import \
    --change 'ENV PATH=/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data' \
    --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["postgres"]' \
    --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432' - "$1" >/dev/null
}

for name in "$@"; do
  docker image inspect "$name" >/dev/null 2>&1 && continue
  case $name in
    debian:*-slim) suite=${name#debian:} && debian "$name" "${suite%-slim}" ;;
    timescale/timescaledb:*) database "$name" ;;
    *) fail "no stand-in is known for $name" ;;
  esac
  rm -rf "$work/root"
  echo "$name: made from Debian's packages"
done
