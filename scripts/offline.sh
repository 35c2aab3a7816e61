#!/usr/bin/env bash
# Proves that this machine needs no network: a clean clone starts a cluster, runs a chapter, checks an exercise and passes
# a test, with the network cut. What was compiled and downloaded before is all that it has.
set -euo pipefail

usage() {
  cat <<EOF
usage: scripts/offline.sh

Clones this repository, cuts the network, and runs in the clone, with a cluster and a kubeconfig of its own:

  go list -deps -test ./...    every module that a chapter or its tests need is on this disk
  go run ./lab run 01          the cluster, and the first chapter
  go run ./lab check 01/hello  an exercise
  go test ./01-restclient      a chapter's tests

Only what is committed is tried. Where Linux lets it, the network is really cut: the commands run in a network namespace
that has loopback and nothing else. Elsewhere go is told to download nothing, and every other program finds a proxy that
does not answer. The first line says which.

To prepare a machine: docs/teaching.md.
EOF
}

say() { printf '\n--- %s (%ds)\n' "$*" "$SECONDS"; }

# inside runs where there is no network, in the clone.
inside() {
  set -euo pipefail
  local out

  say "go list -deps -test ./..."
  go list -deps -test ./... | wc -l | sed 's/$/ packages are here/' || {
    echo "this machine is not prepared: docs/teaching.md says how"
    exit 1
  }

  say "go run ./lab run 01"
  trap 'go run ./lab down' EXIT
  out=$(go run ./lab run 01)
  echo "$out"
  grep -qx nginx-pod-node1 <<<"$out" || {
    echo "this is not the output of chapter 01"
    exit 1
  }

  say "go run ./lab check 01/hello"
  out=$(go run ./lab check 01/hello) || true # nobody has solved it
  echo "$out"
  grep -q '^01/hello  *not started ' <<<"$out" || {
    echo "the exercise was not checked"
    exit 1
  }

  say "go test ./01-restclient"
  go test -count=1 ./01-restclient
}

case "${1:-}" in
  "") ;;
  -h | --help)
    usage
    exit
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac

repository=$(cd "$(dirname "$0")/.." && pwd)
# A short path: the cluster has unix sockets below it.
work=$(mktemp -d /tmp/lab-offline-XXXXXX)
trap 'rm -rf "$work"' EXIT
# The repository may be another user's, which git would not read without being told.
printf '[safe]\n\tdirectory = *\n' >"$work/gitconfig"
GIT_CONFIG_GLOBAL=$work/gitconfig git clone --quiet "$repository" "$work/clone"
cd "$work/clone"

export LAB_STATE=$work/s KUBECONFIG=$work/kubeconfig
# Neither a module nor a toolchain.
export GOPROXY=off GOTOOLCHAIN=local
unset LAB_TEST_KUBECONFIG
export -f say inside
if unshare -rn ip link set lo up 2>/dev/null; then
  echo "The network is cut: what follows has loopback and nothing else (unshare -rn)."
  # shellcheck disable=SC2016 # the inner shell's
  unshare -rn bash -c 'ip link set lo up; inside'
else
  echo "The network is not cut, because unshare -rn does not work here: GOPROXY=off, and a proxy that does not answer."
  # The port of a proxy that nobody runs. Go's clients do not use a proxy for loopback.
  export HTTP_PROXY=http://127.0.0.1:1 HTTPS_PROXY=http://127.0.0.1:1
  export http_proxy=$HTTP_PROXY https_proxy=$HTTPS_PROXY NO_PROXY=127.0.0.1,localhost
  bash -c inside
fi
say "This machine needs no network."
