#!/usr/bin/env bash
# Chapter 04 on kind, where nodes are containers and pods are processes: runs every step and checks what comes out.
set -euo pipefail
# shellcheck source=../scripts/kind-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/kind-lib.sh"

usage() {
  cat <<EOF
usage: 04-discovery/kind.sh [--keep] [--image NAME] [--image-file FILE]

Runs every step of chapter 04 on the kind cluster $cluster, compares the output with what the chapter's tests expect and
its tables with those of the node's own kubectl, and looks for anything left behind. A cluster that is there is used and left as it was found; without one, one is made and
deleted at the end. Your kubeconfig is not touched. It needs Docker and Go.

  --keep             make the cluster with scripts/kind-up.sh, for you to use: it stays
$(image_usage)

examples:
  04-discovery/kind.sh
  04-discovery/kind.sh --keep --image kindest/node:v1.37.2
  04-discovery/kind.sh --image-file /media/usb/kind-node.tar     no network needed
EOF
}

# same_as_kubectl STEP COMMAND FLAGS... compares a step's output with that of a command of the kubectl on the node.
same_as_kubectl() {
  local step=$1
  shift
  node_kubectl "$@" >"$work/kubectl" || die "kubectl $* failed on the node; its message is above"
  go -C "$root" run ./04-discovery "$step" -context "$context" "${@:2}" >"$work/ours"
  diff "$work/kubectl" "$work/ours" >&2 || die "kubectl $* printed something else than the step $step; the difference is above"
}

chapter_begin "$@"
run_chapter 04-discovery -n "$samples_namespace"
check_output 04-discovery
say "Comparing with the node's own kubectl"
same_as_kubectl resources api-resources
same_as_kubectl resources api-resources -o wide
same_as_kubectl resources api-resources -o name --api-group=apps
same_as_kubectl resources api-resources --namespaced=false --sort-by=kind
same_as_kubectl resources api-resources --verbs=list,watch --no-headers
same_as_kubectl versions api-versions
check_nothing_left
left=$(node_kubectl get apiservices,customresourcedefinitions --selector=client-go-lab/chapter=04 --output=name)
[ -z "$left" ] || die "the steps left behind: $left"
say "Chapter 04 on kind: every step printed what it should, and nothing was left behind (${SECONDS} s)."
