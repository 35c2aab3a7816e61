#!/usr/bin/env bash
# Deletes the kind cluster of this course, and no other.
set -euo pipefail
# shellcheck source=kind-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/kind-lib.sh"

usage() {
  cat <<EOF
usage: scripts/kind-down.sh

Deletes the kind cluster $cluster with all it holds, and takes its context, $context, out of your kubeconfig.
If that was the current context, none is current afterwards.
To stop it for a while instead: docker stop $control_plane $cluster-worker

examples:
  scripts/kind-down.sh
  go run ./lab down --provider kind     the same
EOF
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  ?*) usage_error "there is no option or argument '$1'" ;;
esac

need_tools
find_cluster
if [ "$found" = absent ]; then
  say "There is no kind cluster $cluster."
  exit 0
fi
need_kubeconfig
need_kind
drop_context_from=
cluster_delete || die "kind could not delete the cluster; the lines above say why"
