#!/usr/bin/env bash
# Chapter 05 on kind, where nodes are containers and pods are processes: runs every step and checks what comes out.
set -euo pipefail
# shellcheck source=../scripts/kind-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/kind-lib.sh"

usage() {
  cat <<EOF
usage: 05-informer/kind.sh [--keep] [--image NAME] [--image-file FILE]

Runs every step of chapter 05 on the kind cluster $cluster, compares the output with what the chapter's tests expect,
and looks for anything left behind. A cluster that is there is used and left as it was found; without one, one is made and
deleted at the end. Your kubeconfig is not touched. It needs Docker and Go.

  --keep             make the cluster with scripts/kind-up.sh, for you to use: it stays
$(image_usage)

examples:
  05-informer/kind.sh
  05-informer/kind.sh --keep --image kindest/node:v1.37.2
  05-informer/kind.sh --image-file /media/usb/kind-node.tar     no network needed
EOF
}

chapter_begin "$@"
run_chapter 05-informer -n "$samples_namespace"
check_output 05-informer
check_nothing_left
say "Chapter 05 on kind: every step printed what it should, and nothing was left behind (${SECONDS} s)."
