#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Build Helm from Go modules, once a version.
#
#   tests/deploy/build.sh           build it if it is missing, print where it is
#   tests/deploy/build.sh --where   print where it is or would be, build nothing
set -euo pipefail

VERSION=4.3.1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/mpijob/helm/$VERSION

if [[ ${1:-} != --where && ! -x $folder/helm ]]; then
  command -v go >/dev/null || {
    echo "error: building Helm needs Go, which is not on the PATH" >&2
    exit 1
  }
  mkdir -p "$folder"
  fresh=$(mktemp -d "$folder/fresh.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  (cd "$here/helm" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" \
    -o "$fresh/helm" helm.sh/helm/v4/cmd/helm)
  mv "$fresh/helm" "$folder/" # Whole, or not at all.
fi
echo "$folder/helm"
