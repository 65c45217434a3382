#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Build etcd and a Kubernetes control plane from Go modules, once a version.
#
#   tests/controlplane/build.sh           build what is missing, print the folder
#   tests/controlplane/build.sh --folder  print the folder, build nothing
#   tests/controlplane/build.sh --pin     write go.mod and go.sum of the default anew
#
# KUBERNETES_VERSION chooses the version. KUBEBUILDER_ASSETS, where it is set, names a
# folder that has the programs already; then there is nothing to build.
set -euo pipefail

DEFAULT_VERSION=1.37.2
VERSION=${KUBERNETES_VERSION:-$DEFAULT_VERSION}
PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${KUBEBUILDER_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/mpijob/controlplane/$VERSION}

complete() {
  local program
  for program in etcd "$@"; do
    [[ -x $folder/$program ]] || return 1
  done
}

# Kubernetes keeps about thirty modules of its own in one repository and requires each
# at v0.0.0; outside of that repository each is published as v0.MINOR.PATCH.
write_go_mod() {
  local published="v0.${VERSION#1.}" go_mod program
  go_mod=$(cd "$1" && GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@v$VERSION" |
    sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p')
  {
    echo "module mpijob.test/controlplane"
    echo
    sed -n '/^go /p' "$go_mod"
    echo
    for program in "${PROGRAMS[@]}"; do
      echo "tool k8s.io/kubernetes/cmd/$program"
    done
    echo
    echo "require k8s.io/kubernetes v$VERSION"
    echo
    sed -n "s|^\t\(k8s.io/[a-z-]*\) v0\.0\.0\( .*\)\{0,1\}$|replace \1 => \1 $published|p" "$go_mod"
  } >"$1/go.mod"
  (cd "$1" && go mod tidy)
}

build_etcd() {
  (cd "$here/etcd" && go build -mod=readonly -trimpath -o "$1/etcd" go.etcd.io/etcd/server/v3)
}

build_kubernetes() {
  local module=$here/kubernetes minor=${VERSION#1.} package=k8s.io/component-base/version
  minor=${minor%%.*}
  if [[ $VERSION != "$DEFAULT_VERSION" ]]; then
    module=$1/module
    mkdir "$module"
    printf 'module mpijob.test/controlplane\n' >"$module/go.mod"
    write_go_mod "$module"
  fi
  (cd "$module" && go build -mod=readonly -trimpath -o "$1/" \
    -ldflags "-s -w -X $package.gitVersion=v$VERSION -X $package.gitMajor=1 -X $package.gitMinor=$minor" \
    "${PROGRAMS[@]/#/k8s.io/kubernetes/cmd/}")
}

export CGO_ENABLED=0
case ${1:-} in
  --folder)
    echo "$folder"
    ;;
  --pin)
    VERSION=$DEFAULT_VERSION
    rm -f "$here/kubernetes/go.mod" "$here/kubernetes/go.sum"
    printf 'module mpijob.test/controlplane\n' >"$here/kubernetes/go.mod"
    write_go_mod "$here/kubernetes"
    (cd "$here/etcd" && go mod tidy)
    ;;
  "")
    if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
      # The envtest binaries have no controller manager; what needs it says so.
      complete kube-apiserver || {
        echo "error: KUBEBUILDER_ASSETS names $folder, which lacks etcd or kube-apiserver" >&2
        exit 1
      }
    elif ! complete "${PROGRAMS[@]}"; then
      command -v go >/dev/null || {
        echo "error: building a control plane needs Go, which is not on the PATH" >&2
        echo "hint: or name a folder with envtest's programs in KUBEBUILDER_ASSETS" >&2
        exit 1
      }
      mkdir -p "$folder"
      fresh=$(mktemp -d "$folder/fresh.XXXXXX")
      trap 'rm -rf "$fresh"' EXIT
      build_etcd "$fresh"
      build_kubernetes "$fresh"
      mv "$fresh"/etcd "${PROGRAMS[@]/#/$fresh/}" "$folder/" # Whole, or not at all.
    fi
    echo "$folder"
    ;;
  *)
    echo "error: no such option: $1" >&2
    exit 2
    ;;
esac
