#!/usr/bin/env bash
# Plays docker, kind and go for the tests of the kind scripts, under these names. Its world is the directory $FAKE:
#   nodes/NAME     a node of the cluster; the file says running or exited
#   kubeadm.conf   what is in the control plane
#   left           what the chapter's steps leave in their namespace; left-in-cluster: and outside of it
#   CALL-fails     makes a call fail and says with what words: docker-version, kind-create, go-run, ...
#   hang           kind create never ends
set -euo pipefail
name=${0##*/}
printf '%s\n' "$name $*" >>"$FAKE/log"

fails() {
  [ -e "$FAKE/$1-fails" ] || return 0
  cat "$FAKE/$1-fails" >&2
  exit 1
}

list_nodes() {
  local node
  for node in "$FAKE"/nodes/*; do
    if [ -e "$node" ] && grep -q "$1" "$node"; then printf '%s\n' "${node##*/}"; fi
  done
}

set_nodes() {
  local node
  for node in client-go-lab-control-plane client-go-lab-worker; do echo "$1" >"$FAKE/nodes/$node"; done
}

node_exec() {
  case $* in
    *"images ls"*) ;;
    *"get --raw /version"*) printf '{\n  "gitVersion": "%s"\n}\n' "$(cat "$FAKE/version")" ;;
    *"get namespaces"*) cat "$FAKE/namespaces" ;;
    *api-resources*) printf 'configmaps\nevents\n' ;;
    *"get configmaps --namespace=client-go-lab "*)
      echo configmap/kube-root-ca.crt
      if [ -e "$FAKE/steps-ran" ] && [ -e "$FAKE/left" ]; then cat "$FAKE/left"; fi
      ;;
    *"get crd,"*) if [ -e "$FAKE/left-in-cluster" ]; then cat "$FAKE/left-in-cluster"; fi ;;
    *readyReplicas*) fails samples ;;
  esac
}

case "$name ${1:-}" in
  "docker version")
    fails docker-version
    echo amd64
    ;;
  "docker ps")
    case $* in
      *status=running*) list_nodes running ;;
      *) list_nodes '' ;;
    esac
    ;;
  "docker container") [ -e "$FAKE/other-container" ] ;;
  "docker cp") tar -cf - -C "$FAKE" kubeadm.conf ;;
  "docker load")
    fails docker-load
    echo "Loaded image: kindest/node:from-file"
    ;;
  "docker inspect") echo kindest/node:before ;;
  "docker start") set_nodes running ;;
  "docker stop") set_nodes exited ;;
  "docker build") fails docker-build ;;
  "docker image") [ "$2" != inspect ] ;; # Docker has none
  "docker exec") node_exec "$@" ;;
  "kind create")
    set_nodes running
    echo 'Creating cluster "client-go-lab" ...'
    echo ' • Preparing nodes 📦 📦   ...'
    [ ! -e "$FAKE/hang" ] || exec sleep 60
    fails kind-create
    echo 'client-go-lab/node=control-plane' >"$FAKE/kubeadm.conf"
    ;;
  "kind delete") rm -f "$FAKE"/nodes/* ;;
  "kind export") fails kind-export ;;
  "kind load") ;;
  "go -C")
    case $3 in
      tool)
        fails go-tool
        echo "${0%/*}/kind"
        ;;
      build) touch "${*:6:1}" ;; # after -C ROOT build -ldflags -o
      run)
        touch "$FAKE/steps-ran"
        echo "what the steps print"
        fails go-run
        ;;
      test)
        cat "$LAB_RECORDED"
        fails go-test
        ;;
    esac
    ;;
  *)
    echo "no fake for: $name $*" >&2
    exit 99
    ;;
esac
