#!/usr/bin/env bash
# Chapter 07 on kind, where nodes are containers and pods are processes: runs every step and checks what comes out, then runs
# the controller in the cluster, as its manifests have it, with pages that really are served.
set -euo pipefail
# shellcheck source=../scripts/kind-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/kind-lib.sh"

usage() {
  cat <<EOF
usage: 07-controller/kind.sh [--keep] [--image NAME] [--image-file FILE]

Runs every step of chapter 07 on the kind cluster $cluster, compares the output with what the chapter's tests expect,
and looks for anything left behind. Then runs the controller there, in two pods: makes Websites, fetches their pages, kills
the leader, and deletes it all. A cluster that is there is used and left as it was found; without one, one is made and
deleted at the end. Your kubeconfig is not touched. It needs Docker and Go.

  --keep             make the cluster with scripts/kind-up.sh, for you to use: it stays, without the controller
$(image_usage)

examples:
  07-controller/kind.sh
  07-controller/kind.sh --keep --image kindest/node:v1.37.2
  07-controller/kind.sh --image-file /media/usb/kind-node.tar     no network needed
EOF
}

system=website-system                 # where the manifests put the controller
sites=client-go-lab-websites          # where this script makes Websites
website_image=client-go-lab/website:1 # as in controller.yaml
website_nodes=                        # the nodes that got it from this script, separated by commas
manifests=/kind/website-controller    # where the control plane gets the directory config
controllers=app.kubernetes.io/name=website-controller

# need_no_websites makes sure that this script deletes nothing but what it made.
need_no_websites() {
  local name
  for name in "$system" "$sites"; do
    is_new "$name" || die "the namespace $name is there already; if you do not need it: kubectl delete namespace $name"
  done
  [ -z "$(node_kubectl get crd websites.lab.example.com --output=name --ignore-not-found)" ] ||
    die "this cluster knows Websites already; if you do not need them, delete them while their controller runs, then: kubectl delete crd websites.lab.example.com"
}

load_website_image() {
  local dir=$work/website node all=
  say "Building the image $website_image and loading it into the nodes"
  mkdir -p "$dir"
  build_program "$dir/controller" ./07-controller
  build_program "$dir/webserver" ./07-controller/webserver
  cp "$root/07-controller/Dockerfile" "$dir"
  for node in $(nodes); do
    all=${all:+$all,}$node
    [ -n "$(image_refs "$node" "$website_image")" ] || website_nodes=${website_nodes:+$website_nodes,}$node
  done
  load_image website "$website_image" "$dir" "$all" # also where it is: that one may be older than the source
}

deploy() {
  say "Running the controller in the cluster: kubectl apply --server-side -k 07-controller/config"
  docker exec "$control_plane" mkdir -p "$manifests"
  tar -cf - -C "$root/07-controller/config" . | docker exec -i "$control_plane" tar -xf - -C "$manifests"
  {
    node_kubectl apply --server-side --kustomize "$manifests" &&
      node_kubectl --namespace="$system" rollout status deployment/website-controller --timeout=90s
  } >"$work/deploy.log" 2>&1 || {
    tail -n 10 "$work/deploy.log" >&2
    controller_logs | tail -n 10 >&2
    die "the controller does not run in the cluster; the lines above say why"
  }
  say "  two replicas are ready, on $(controller_pods '{.spec.nodeName}' | sort -u | paste -s -d ' ' -)"
}

# controller_pods JSONPATH prints something about each pod of the controller.
controller_pods() {
  node_kubectl --namespace="$system" get pods --selector="$controllers" --output="jsonpath={range .items[*]}$1{\"\\n\"}{end}"
}

# controller_logs prints what the controllers have logged, also the one that was killed.
controller_logs() {
  local pod
  for pod in $(controller_pods '{.metadata.name}'); do
    node_kubectl --namespace="$system" logs --prefix "$pod" 2>&1
    node_kubectl --namespace="$system" logs --prefix --previous "$pod" 2>/dev/null || true # mostly there is none
  done
}

# site NAME PAGE makes or changes a Website, and waits until it is Ready. Ready as of the latest spec: kubectl compares the
# condition's observedGeneration.
site() {
  say "The Website $1 with the page $2"
  {
    node_kubectl apply --server-side --filename=- <<EOF &&
apiVersion: lab.example.com/v1alpha1
kind: Website
metadata: {name: $1, namespace: $sites}
spec: {host: $1.example.com, html: "$2", replicas: 2}
EOF
      node_kubectl --namespace="$sites" wait --for=condition=Ready --timeout=60s "website/$1"
  } >"$work/site.log" 2>&1 || {
    tail -n 3 "$work/site.log" >&2
    node_kubectl --namespace="$sites" describe "website/$1" | tail -n 20 >&2
    controller_logs | tail -n 10 >&2
    die "the Website $1 does not become Ready; the lines above say why"
  }
}

# check_page NAME PAGE fetches a page by several ways. Each may take a moment to know of new pods.
check_page() {
  local address node from='the API server'
  eventually 30 "the page of $1 from the API server's proxy" is "$2" \
    node_kubectl get --raw "/api/v1/namespaces/$sites/services/http:$1:80/proxy/"
  address=$(node_kubectl --namespace="$sites" get "service/$1" --output='jsonpath={.spec.clusterIP}')
  for node in $(nodes); do
    docker exec "$node" sh -c 'command -v curl' >/dev/null || continue
    eventually 30 "the page of $1 on $node" is "$2 text/html; charset=utf-8" \
      docker exec "$node" curl --silent --show-error --max-time 5 --write-out ' %{content_type}' "http://$address/"
    from="$from, $node"
  done
  say "  was fetched through: $from"
}

# eventually SECONDS WHAT COMMAND... repeats a command until it is true.
eventually() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then
      tail -n 3 "$work/answer" "$work/answer.err" >&2 || true
      die "waited in vain for $what; the last answer is above"
    fi
    sleep 1
  done
}

# is WANT COMMAND... says whether a command prints what it should.
is() {
  local want=$1
  shift
  "$@" >"$work/answer" 2>"$work/answer.err" && [ "$(cat "$work/answer")" = "$want" ]
}

holder() { node_kubectl --namespace="$system" get lease/website-controller --output='jsonpath={.spec.holderIdentity}'; }

another_holder() {
  holder >"$work/answer" 2>"$work/answer.err" && new_holder=$(cat "$work/answer") &&
    [ -n "$new_holder" ] && [ "$new_holder" != "$old_holder" ]
}

# kill_leader ends the process that leads as a crash would: it has no time to give the lease back.
kill_leader() {
  local pod node container began
  old_holder=$(holder)
  pod=${old_holder%_*} # the rest tells processes of one pod apart
  say "Killing the leader, $pod"
  node=$(node_kubectl --namespace="$system" get pod "$pod" --output='jsonpath={.spec.nodeName}')
  container=$(node_kubectl --namespace="$system" get pod "$pod" --output='jsonpath={.status.containerStatuses[0].containerID}')
  docker exec "$node" ctr --namespace=k8s.io tasks kill --signal=SIGKILL "${container#*//}" >"$work/kill.log" 2>&1 || {
    tail -n 3 "$work/kill.log" >&2
    die "the leader could not be killed; the line above says why"
  }
  began=$SECONDS
  eventually 60 "another holder of the lease" another_holder
  say "  ${new_holder%_*} leads, $((SECONDS - began)) s later: the lease, 15 s, had to run out"
}

check_rights() {
  controller_logs >"$work/controller.log"
  grep -q 'Starting workers' "$work/controller.log" || die "the controllers have logged nothing"
  ! grep -i -e forbidden -e ' 403' "$work/controller.log" >&2 || die "the controller was not allowed to do something; its log is above"
  say "Nothing that the controllers did was forbidden"
}

directory() {
  node_kubectl --namespace="$system" get configmaps --output=name >"$work/entries" || return
  grep -v -x configmap/kube-root-ca.crt "$work/entries" || true
}

# tear_down takes all away in a user's order, and looks at what is left.
tear_down() {
  local node left
  say "Deleting the Websites, then the controller"
  # This waits until they are gone, and that takes a controller: it removes the finalizer.
  node_kubectl --namespace="$sites" delete websites --all --timeout=60s >"$work/delete.log" 2>&1 || {
    tail -n 3 "$work/delete.log" >&2
    die "the Websites do not go; the lines above say why"
  }
  is '' directory || die "left behind in the directory of sites: $(tr '\n' ' ' <"$work/answer")"
  eventually 180 "the garbage collector to delete the Websites' children" is '' list_namespace "$sites"
  node_kubectl --namespace="$system" delete deployment/website-controller >/dev/null
  node_kubectl --namespace="$system" wait --for=delete --timeout=60s pod --selector="$controllers" >/dev/null
  is '' holder || die "the last controller ended and did not give the lease back to $system: $(cat "$work/answer") has it"
  remove_controller || die "not everything could be deleted; the lines above say why"
  left=$(node_kubectl get crd,clusterroles,clusterrolebindings,namespaces --output=name)
  left=$(grep website <<<"$left" || true)
  [ -z "$left" ] || die "left behind in the cluster: $(tr '\n' ' ' <<<"$left")"
  for node in ${website_nodes//,/ }; do
    [ -z "$(image_refs "$node" "$website_image")" ] || die "left behind in $node: the image $website_image"
  done
}

# remove_controller removes what there is of it and of the Websites, whatever the script came to.
remove_controller() {
  local name
  node_kubectl --namespace="$sites" delete websites --all --wait=false >/dev/null 2>&1 || true # the CRD may not be there
  # If no controller runs, nobody removes the finalizers, and the namespace never goes.
  for name in $(node_kubectl --namespace="$sites" get websites --output=name 2>/dev/null); do
    node_kubectl --namespace="$sites" patch "$name" --type=merge --patch='{"metadata":{"finalizers":null}}' >/dev/null 2>&1 || true
  done
  node_kubectl delete namespace "$sites" --ignore-not-found --timeout=180s >/dev/null || return
  if docker exec "$control_plane" test -e "$manifests/kustomization.yaml"; then
    node_kubectl delete --kustomize "$manifests" --ignore-not-found --timeout=120s >/dev/null || return
  fi
  docker exec "$control_plane" rm -rf "$manifests"
  unload_image website "$website_image" "$website_nodes"
}

restore() {
  say "Removing the controller from the cluster"
  remove_controller
}

chapter_begin "$@"
need_no_websites
[ "$found" = absent ] || undo+=(restore) # a cluster that will be deleted need not be tidied up
# The lessons wait for pods that run.
load_website_image
run_chapter 07-controller
check_output 07-controller
check_nothing_left
deploy
node_kubectl create namespace "$sites" >/dev/null
node_kubectl label namespace "$sites" pod-security.kubernetes.io/enforce=restricted >/dev/null
site first '<h1>one</h1>'
check_page first '<h1>one</h1>'
site first '<h1>two</h1>'
check_page first '<h1>two</h1>'
kill_leader
site first '<h1>three</h1>'
check_page first '<h1>three</h1>'
site second '<h1>new</h1>'
check_page second '<h1>new</h1>'
check_rights
tear_down
[ "$found" = absent ] || unset "undo[${#undo[@]}-1]" # it is gone already
say "Chapter 07 on kind: every step printed what it should, and nothing was left behind."
say "The controller on kind: two pods kept Websites, one took over from the other, and nothing was left behind (${SECONDS} s)."
