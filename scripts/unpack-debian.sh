#!/usr/bin/env bash
# Unpack packages of a Debian suite into a folder, whatever this machine itself runs. No root, and nothing is installed.
#
#   scripts/unpack-debian.sh FOLDER SUITE PACKAGE...
#
# APT_MIRROR names another Debian mirror than the one in apt's sources. The packages are those named, without what they
# depend on.
set -euo pipefail

fail() {
  echo "unpack-debian: $*" >&2
  exit 1
}
[ $# -ge 3 ] || fail "expected FOLDER SUITE PACKAGE..., found $# words"
folder=$1 suite=$2
shift 2
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || fail "needs $tool, which this machine lacks: run it on Debian or Ubuntu"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "needs Debian's keys in $keyring: install the package debian-archive-keyring"

mkdir -p "$folder"
work=$(mktemp -d "$folder.unpack-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}

# apt's own mirror is the one that this machine can reach; Ubuntu's has no Debian in it.
mirror=${APT_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
  grep -v '^ *#' | grep -oE '[a-z]+://[^ ]+/debian/?( |$)' | head -1 | tr -d ' ' || true)}
mirror=${mirror:-http://deb.debian.org/debian}
echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"

# apt with folders of its own. The status file is empty, so that nothing counts as installed; no sandbox user, who could
# not write here.
: >"$work/status"
options=(
  -qq
  -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache"
  -o APT::Sandbox::User= -o Acquire::Languages=none
)
apt-get "${options[@]}" update
(cd "$work/debs" && apt-get "${options[@]}" download "$@")
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$folder"; done
