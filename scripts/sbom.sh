#!/bin/sh
# What is in the images, as CycloneDX 1.5: one file an image, from the lock file, by the options with which it is built.
# Debian's packages below them are the base image's own to list: docker sbom, or syft.
#   scripts/sbom.sh [folder] [uv]
set -eu
cd "$(dirname "$0")/.."
folder=${1:-.cache/sbom}
uv=${2:-uv}
mkdir -p "$folder"

bill() {
  image=$1
  shift
  "$uv" export --quiet --frozen --no-default-groups --no-emit-project --preview-features sbom-export \
    --format cyclonedx1.5 --output-file "$folder/$image.cdx.json" "$@" >/dev/null
  echo "$folder/$image.cdx.json"
}
bill btc-collector --extra collector
bill btc-pipeline --extra api --extra pipeline
