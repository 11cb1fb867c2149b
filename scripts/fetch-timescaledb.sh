#!/usr/bin/env bash
# Fetch a PostgreSQL 17 with TimescaleDB (Apache edition) that runs from any folder, out of Debian's packages.
#
#   scripts/fetch-timescaledb.sh [FOLDER]       default: .cache/pg17 of this repository
#
# No root and no change to the host: nothing is installed, the packages are only unpacked. 5 to 15 s and 90 MB; returns
# at once when FOLDER is already good. May be run twice at once: the second waits and finds it done.
# APT_MIRROR names another Debian mirror than the one in apt's sources.
set -euo pipefail
umask 022 # the server's account (`nobody`, where we are root) must be able to read it

suite=trixie # stable: the names of its packages are frozen
version=17
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
folder=${1:-$here/../.cache/pg17}

fail() {
  echo "fetch-timescaledb: $*" >&2
  exit 1
}

for tool in dpkg flock realpath; do
  command -v "$tool" >/dev/null ||
    fail "needs $tool, which this machine lacks: run it on Debian or Ubuntu, or set DATABASE_URL to a server with TimescaleDB"
done
folder=$(realpath -m "$folder")

# Debian's name of the library folder, and the loader in it.
case $(dpkg --print-architecture) in
  amd64) triple=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
  arm64) triple=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
  *) fail "expected amd64 or arm64, found $(dpkg --print-architecture): set DATABASE_URL to a server with TimescaleDB" ;;
esac

is_good() {
  "$folder/bin/postgres" --version >/dev/null 2>&1 &&
    [ -e "$folder/root/usr/lib/postgresql/$version/lib/timescaledb.so" ]
}
is_good && exit 0

mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9
is_good && exit 0

# Beside the result, so that the last step is a rename. What a killed run left is removed; the lock says nobody uses it.
rm -rf "$folder".fetch-*
work=$(mktemp -d "$folder.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/result/bin"

# The server and every library it loads, the C library too: the host may be older than the packages.
packages=(
  "postgresql-$version" "postgresql-client-$version" "postgresql-$version-timescaledb" libpq5
  libc6 libgcc-s1 libstdc++6 libssl3t64 libicu76 libxml2 libzstd1 liblz4-1 liblzma5 zlib1g libxxhash0 libpam0g libaudit1
  libcap-ng0 libcap2 libsystemd0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
  libldap2 libsasl2-2 libreadline8t64 libtinfo6 libuuid1 libxslt1.1 libgcrypt20 libgpg-error0
)

root=$work/result/root
"$here/unpack-debian.sh" "$root" "$suite" "${packages[@]}" || fail "could not unpack Debian's packages"

# What a server for tests does not need: two thirds of the size. Upgrade scripts are for databases of older versions.
rm -rf "$root"/{etc,var} "$root"/usr/{include,sbin,share/{doc,locale,man,lintian,bug,info,perl5}} \
  "$root/usr/lib/postgresql/$version/lib"/{bitcode,llvmjit.so,llvmjit_types.bc} "$root/usr/lib/$triple/gconv"
find "$root/usr/share/postgresql" -name 'timescaledb--*--*.sql' -delete

# The programs are wired to /lib and /usr/lib. A script in the place of each starts it by the fetched loader with the
# fetched libraries; --argv0 lets PostgreSQL find its other files relative to itself.
for name in postgres initdb pg_ctl pg_isready psql pg_dump pg_restore; do
  program=$root/usr/lib/postgresql/$version/bin/$name
  mv "$program" "$(dirname "$program")/.$name.elf"
  cat >"$program" <<WRAPPER
#!/bin/sh
name=\${0##*/}
bin=\$(CDPATH= cd -- "\$(dirname -- "\$0")" && pwd -P)
libraries=\${bin%/usr/lib/postgresql/*}/usr/lib/$triple
exec "\$libraries/$loader" --library-path "\$libraries" --argv0 "\$bin/\$name" "\$bin/.\$name.elf" "\$@"
WRAPPER
  cat >"$work/result/bin/$name" <<WRAPPER
#!/bin/sh
exec "\$(dirname -- "\$0")/../root/usr/lib/postgresql/$version/bin/$name" "\$@"
WRAPPER
  chmod 755 "$program" "$work/result/bin/$name"
done

rm -rf "$folder"
mv "$work/result" "$folder"
is_good || fail "the fetched PostgreSQL in $folder does not run on this machine"
"$folder/bin/postgres" --version
