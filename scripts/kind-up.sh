#!/usr/bin/env bash
# Brings up the kind cluster of this course: real nodes, as containers.
set -euo pipefail
# shellcheck source=kind-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/kind-lib.sh"

usage() {
  cat <<EOF
usage: scripts/kind-up.sh [--image NAME] [--image-file FILE]

Makes the kind cluster $cluster of kind-config.yaml, or starts it if it was stopped, puts its context, $context,
into your kubeconfig and switches to it, and loads the sample workloads that the lessons list into the namespace default.
It needs Docker and Go. kubectl is not needed; kind is built from go.mod's tool line.

$(image_usage)

examples:
  scripts/kind-up.sh
  scripts/kind-up.sh --image kindest/node:v1.37.2
  scripts/kind-up.sh --image-file /media/usb/kind-node.tar     no network needed
  go run ./lab up --provider kind                              the same as the first
EOF
}

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    *)
      image_option "$@"
      shift "$taken"
      ;;
  esac
done

need_tools
need_kubeconfig
need_kind
cluster_up
samples_up default
write_context
undo=() # it stays
say "The kind cluster $cluster is ready after ${SECONDS} s, and its context $context is current."
say "Next: go run ./01-restclient. To delete the cluster: scripts/kind-down.sh"
