# shellcheck shell=bash
# What the kind scripts share. A script sources it, then calls the functions below; the chapters' kind.sh files begin with
# chapter_begin. It runs with bash 3.2, which macOS has, and wants nothing but Go, Docker and the usual small tools.
#
# kind itself comes from the tool line in go.mod, kubectl from the cluster's own node: neither has to be installed.

# shellcheck disable=SC2034 # the scripts that source this use them
{
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  script=${0##*/}
  cluster=client-go-lab # as in kind-config.yaml
  context=kind-$cluster
  control_plane=$cluster-control-plane
  lab_namespace=client-go-lab             # where the chapters' steps write
  samples_namespace=client-go-lab-samples # where the chapters' kind.sh files put the sample workloads, and nobody else
  sample_image=client-go-lab/sample:2     # scripts/sample; a new program there needs a new number, as in workloads.yaml
}

image=${KIND_NODE_IMAGE:-}
image_file=
found=        # the cluster before this script: absent, stopped or running
undo=()       # functions that take back what was done so far, called in reverse order when the script ends
half_made=    # set while the cluster is being made
loaded_nodes= # where this script loaded the sample image, separated by commas
image_here=   # an image that load_image has made and not removed from Docker yet
work=$(mktemp -d "${TMPDIR:-/tmp}/client-go-lab-kind.XXXXXX")
drop_context_from=$work/kubeconfig # the kubeconfig that has the context; empty for the reader's own

# kind would look for podman, too; the rest of this file talks to Docker.
export KIND_EXPERIMENTAL_PROVIDER=docker

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$script" "$*" >&2; }
die() {
  warn "$@"
  exit 1
}
usage_error() {
  warn "$* (-h shows the usage)"
  exit 2
}

# Whatever ends the script, Ctrl-C included, what was begun is taken back.
on_exit() {
  local status=$? i
  trap '' INT TERM HUP # a second Ctrl-C must not stop the cleaning up, nor what it calls
  exec >&3 2>&4        # the signal may have come where output goes to a file
  for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
    "${undo[i]}" || {
      warn "could not clean up (${undo[i]}); this removes everything: $root/scripts/kind-down.sh"
      [ "$status" -ne 0 ] || status=1
    }
  done
  [ -z "$image_here" ] || docker image rm --force "$image_here" >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}
exec 3>&1 4>&2
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# image_option "$@" reads one option about the node image, and sets taken to the number of words it has.
image_option() {
  local name=${1%%=*} value
  case $1 in
    --image=* | --image-file=*) value=${1#*=} taken=1 ;;
    --image | --image-file)
      [ $# -gt 1 ] || usage_error "$1 needs a value"
      value=$2 taken=2
      ;;
    *) usage_error "there is no option or argument '$1'" ;;
  esac
  [ -n "$value" ] || usage_error "$name needs a value"
  case $name in
    --image) image=$value ;;
    *)
      image_file=$value
      { [ -f "$image_file" ] && [ -r "$image_file" ]; } || die "the image file $image_file is not there, or cannot be read"
      ;;
  esac
}

image_usage() {
  cat <<'EOF'
  --image NAME       node image, as Docker knows it; default: $KIND_NODE_IMAGE, then kind's own, which is pulled.
                     Any image for kind does, best kindest/node:v1.37.N: the lessons show Kubernetes v1.37
  --image-file FILE  load the node image from a file first: for a room without network. Make the file elsewhere with
                     docker pull kindest/node:v1.37.N; docker save -o FILE kindest/node:v1.37.N
EOF
}

# need_tools says what is missing, before anything is done.
need_tools() {
  local no_docker="without Docker: go run ./lab run 01 needs none" said
  command -v go >/dev/null || die "go is not in PATH; install it: https://go.dev/dl"
  command -v docker >/dev/null ||
    die "Docker is not installed; install Docker Engine or Docker Desktop: https://docs.docker.com/get-docker ($no_docker)"
  if ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
    case $said in
      *"permission denied"*)
        die "no permission to talk to Docker; put yourself into its group, then log in again: sudo usermod -aG docker $(id -un) ($no_docker)"
        ;;
    esac
    die "Docker does not answer; start it: Docker Desktop, or sudo systemctl start docker ($no_docker)"
  fi
}

# need_kind finds kind, and builds it first if nobody has. go keeps the program in its build cache.
need_kind() {
  say "Looking for kind (built the first time, which takes up to a minute)"
  if ! kind=$(go -C "$root" tool -n kind 2>"$work/kind.log") || [ ! -x "$kind" ]; then
    tail -n 5 "$work/kind.log" >&2
    die "kind, a tool of go.mod, could not be built; the lines above say why (the first time it needs the network)"
  fi
}

# need_kubeconfig makes sure that kind will be able to write the kubeconfig: it does so last, when the work is done.
need_kubeconfig() {
  local list=${KUBECONFIG:-${HOME:?HOME is not set}/.kube/config} file='' next dir
  local remedy="mend that, or choose another file: KUBECONFIG=FILE $script"
  while [ -n "$list" ]; do # kind's rule: the first file that exists, or else the last of the list
    next=${list%%:*}
    case $list in *:*) list=${list#*:} ;; *) list= ;; esac
    [ -z "$next" ] || file=$next
    [ ! -e "$file" ] || break
  done
  [ ! -d "$file" ] || die "the kubeconfig $file is a directory; $remedy"
  [ ! -e "$file.lock" ] || die "the kubeconfig $file is locked; if nothing is writing it: rm $file.lock"
  [ ! -e "$file" ] || [ -w "$file" ] || die "the kubeconfig $file cannot be written; $remedy"
  case $file in */*) dir=${file%/*} ;; *) dir=. ;; esac
  while [ -n "$dir" ] && [ ! -e "$dir" ]; do # kind makes missing directories
    case $dir in */*) dir=${dir%/*} ;; *) dir=. ;; esac
  done
  dir=${dir:-/}
  { [ -d "$dir" ] && [ -w "$dir" ] && [ -x "$dir" ]; } || die "the kubeconfig $file cannot be written, because $dir is not a writable directory; $remedy"
}

# nodes lists the cluster's nodes, running or not, one name per line.
nodes() { docker ps --all --filter "label=io.x-k8s.kind.cluster=$cluster" --format '{{.Names}}' "$@"; }

# find_cluster sets found. It ends the script when the name is somebody else's.
find_cluster() {
  local all running name config
  all=$(nodes)
  if [ -z "$all" ]; then
    for name in "$control_plane" "$cluster-worker"; do
      ! docker container inspect "$name" >/dev/null 2>&1 ||
        die "a container named $name, which is no node of kind, is in the way; if you do not need it: docker rm -f $name"
    done
    found=absent
    return
  fi
  # The label from kind-config.yaml is in the file that kind wrote for kubeadm. It can be read from a stopped node, too.
  config=$(docker cp "$control_plane:/kind/kubeadm.conf" - 2>/dev/null | tar -xOf - 2>/dev/null) || config=
  case $config in
    *client-go-lab/node=control-plane*) ;;
    *)
      die "the name is taken: a kind cluster named $cluster is there that these scripts did not make, or not completely; if you do not need it: go tool kind delete cluster --name $cluster"
      ;;
  esac
  running=$(nodes --filter status=running)
  if [ "$all" = "$running" ]; then found=running; else found=stopped; fi
}

# node_kubectl is the kubectl on the control plane, as the administrator.
node_kubectl() { docker exec -i "$control_plane" kubectl --kubeconfig=/etc/kubernetes/admin.conf "$@"; }

# cluster_up brings the cluster up, whatever it was before; what it does is undone when the script ends.
# It leaves the reader's kubeconfig alone: write_context comes when all else is done.
cluster_up() {
  local have
  find_cluster
  if [ "$found" != absent ] && [ -n "$image$image_file" ]; then
    have=$(docker inspect --format '{{.Config.Image}}' "$control_plane")
    [ "$have" = "$image" ] || say "The cluster is there already and keeps its node image, $have."
  fi
  case $found in
    absent)
      load_image_file
      undo+=(cluster_restore)
      create_cluster
      ;;
    stopped)
      undo+=(cluster_restore)
      say "Starting the cluster $cluster, which was stopped"
      # shellcheck disable=SC2046 # names of containers have no spaces
      docker start $(nodes) >/dev/null || die "Docker could not start the nodes; make the cluster anew: scripts/kind-down.sh, then $script"
      ;;
    running) say "The cluster $cluster is running." ;;
  esac
  wait_for_nodes
  check_version
}

# write_context puts the context into the kubeconfig that kubectl would write, and makes it current.
write_context() {
  drop_context_from=
  "$kind" export kubeconfig --name "$cluster" >"$work/export.log" 2>&1 || {
    tail -n 1 "$work/export.log" >&2
    die "kind could not write the context $context into the kubeconfig; the line above says why"
  }
}

load_image_file() {
  local said
  [ -n "$image_file" ] || return 0
  say "Loading $image_file into Docker"
  said=$(docker load --input "$image_file" 2>&1) ||
    die "$image_file is not an image that Docker can load (make one with docker save): $(tail -n 1 <<<"$said")"
  # "Loaded image: NAME", or "Loaded image ID: sha256:..." for an image that was saved without its name.
  [ -n "$image" ] || image=$(sed -n 's/^Loaded image\( ID\)\{0,1\}: //p' <<<"$said" | head -n 1)
  [ -n "$image" ] || die "cannot tell the name of the image in $image_file; give it with --image NAME"
}

create_cluster() {
  local flags=(--name "$cluster" --config "$root/kind-config.yaml" --kubeconfig "$work/kubeconfig" --wait 3m)
  [ -z "$image" ] || flags+=(--image "$image")
  say "Making the kind cluster $cluster: half a minute, and more if its image has to be pulled"
  half_made=1
  if ! "$kind" create cluster "${flags[@]}" 2>&1 | tee "$work/create.log" | show_steps; then
    if grep -q 'failed to pull image' "$work/create.log"; then
      die "the node image $(sed -n 's/.*failed to pull image "\([^"@]*\).*/\1/p' "$work/create.log" | head -n 1) is not here and cannot be pulled; without network give one that is here with --image NAME (docker image ls), or a file with --image-file FILE"
    fi
    # Without the steps that went well, which have been shown.
    grep -v -e '^Creating cluster' -e '^ • ' "$work/create.log" | tail -n 15 >&2
    die "kind could not make the cluster; the lines above are its last words"
  fi
  half_made=
}

# show_steps shows kind's steps as they begin, in plain characters.
show_steps() {
  local line words LC_ALL=C
  while IFS= read -r line; do
    case $line in
      *...)
        read -r -a words <<<"${line//[^ -~]/}"
        case $line in Creating*) continue ;; esac
        unset "words[${#words[@]}-1]"
        printf '  %s\n' "${words[*]}"
        ;;
    esac
  done
}

wait_for_nodes() {
  say "Waiting until the nodes are ready"
  local i
  for ((i = 0; i < 60; i++)); do # a control plane that was just started does not answer at once
    ! node_kubectl wait --for=condition=Ready nodes --all --timeout=5s >"$work/wait.log" 2>&1 || return 0
    sleep 1
  done
  tail -n 3 "$work/wait.log" >&2
  die "the nodes do not become ready; look at them with: docker logs $control_plane, or make the cluster anew: scripts/kind-down.sh"
}

# check_version says what to do when the cluster is not the Kubernetes that the lessons show: client-go v0.N is made for v1.N.
check_version() {
  local have want
  have=$(node_kubectl get --raw /version | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p')
  want=v1.$(sed -n 's,.*k8s.io/client-go v0\.\([0-9]*\)\..*,\1,p' "$root/go.mod")
  case $have in
    "$want".*) ;;
    *) say "Note: this is Kubernetes $have, and the lessons show $want: some outputs will differ. Another: scripts/kind-down.sh, then --image kindest/node:$want.N" ;;
  esac
}

# cluster_restore leaves the cluster as it was found.
cluster_restore() {
  case $found in
    absent) cluster_delete ;;
    stopped)
      say "Stopping the cluster again"
      # shellcheck disable=SC2046 # names of containers have no spaces
      docker stop $(nodes) >/dev/null
      ;;
  esac
}

cluster_delete() {
  local i
  [ -z "$(nodes)" ] || say "Deleting the ${half_made:+half-made }cluster $cluster"
  for ((i = 0; i < 5; i++)); do
    "$kind" delete cluster --name "$cluster" ${drop_context_from:+"--kubeconfig=$drop_context_from"} >"$work/delete.log" 2>&1 || true
    # After Ctrl-C, Docker may still be making a container that nobody waits for.
    [ -z "$half_made" ] || sleep 1
    [ -n "$(nodes)" ] || return 0
    sleep 1
  done
  tail -n 3 "$work/delete.log" >&2
  return 1
}

# node_images NODE lists the names of the images in a node, each with the digest that it stands for.
node_images() { docker exec "$1" ctr --namespace=k8s.io images ls 2>/dev/null | awk '{ print $1, $3 }' | sort; }

# image_refs NODE IMAGE lists the names of an image in a node: the one it was loaded by, and those made of digests.
image_refs() {
  node_images "$1" >"$work/images"
  awk -v name="docker.io/$2" 'NR == FNR { if ($1 == name) digest = $2; next } $2 == digest { print $1 }' \
    "$work/images" "$work/images"
}

# build_program FILE PACKAGE builds a program for the nodes, linked statically. There is no -trimpath: it would change every
# package's key in Go's build cache.
build_program() {
  local arch
  arch=$(docker version --format '{{.Server.Arch}}')
  CGO_ENABLED=0 GOOS=linux GOARCH=$arch go -C "$root" build -ldflags='-s -w' -o "$1" "$2"
}

# load_image WHAT IMAGE DIRECTORY NODES builds an image from a directory, and loads it into the nodes, separated by commas.
load_image() {
  local what=$1 name=$2 dir=$3 nodes=$4 node
  docker image inspect "$name" >/dev/null 2>&1 || image_here=$name
  # Without attestations: a node of kind cannot import an image that has them.
  BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --tag "$name" "$dir" >"$work/build.log" 2>&1 || {
    tail -n 10 "$work/build.log" >&2
    die "docker build could not make the $what image; the lines above say why"
  }
  for node in ${nodes//,/ }; do node_images "$node" >"$work/before.$what.$node"; done
  "$kind" load docker-image --name "$cluster" --nodes "$nodes" "$name" >"$work/load.log" 2>&1 || {
    tail -n 5 "$work/load.log" >&2
    die "kind could not load the $what image into the nodes; the lines above say why"
  }
  for node in ${nodes//,/ }; do node_images "$node" >"$work/after.$what.$node"; done
  [ -z "$image_here" ] || docker image rm --force "$name" >/dev/null # the nodes have it
  image_here=
}

# unload_image WHAT IMAGE NODES takes an image out of the nodes that load_image put it into.
unload_image() {
  local what=$1 name=$2 nodes=$3 node ref
  for node in ${nodes//,/ }; do
    # The import itself left a name, too, with a digest of its own.
    for ref in $(image_refs "$node" "$name") $(comm -13 "$work/before.$what.$node" "$work/after.$what.$node" 2>/dev/null | cut -d ' ' -f 1); do
      docker exec "$node" ctr --namespace=k8s.io images rm "$ref" >/dev/null 2>&1 || true # some are there twice
    done
    [ -z "$(image_refs "$node" "$name")" ] || return
  done
}

# load_sample_image builds the sample image and loads it into the nodes that do not have it, and sets loaded_nodes to them.
load_sample_image() {
  local dir=$work/sample node name
  for node in $(nodes); do
    [ -n "$(image_refs "$node" "$sample_image")" ] || loaded_nodes=${loaded_nodes:+$loaded_nodes,}$node
  done
  [ -n "$loaded_nodes" ] || return 0
  say "Building the sample image and loading it into the nodes"
  mkdir -p "$dir/bin"
  for name in echo cat false; do ln -sf /sample "$dir/bin/$name"; done
  build_program "$dir/sample" ./scripts/sample
  cp "$root/scripts/sample/Dockerfile" "$dir"
  load_image sample "$sample_image" "$dir" "$loaded_nodes"
}

# samples_up NAMESPACE puts the sample workloads into a namespace that exists, and waits until they run.
samples_up() {
  local namespace=$1
  load_sample_image
  say "Waiting until the sample workloads run"
  {
    # Without its default service account, which the controllers make, a namespace takes no pods.
    node_kubectl --namespace="$namespace" wait --for=create serviceaccount/default --timeout=60s &&
      node_kubectl --namespace="$namespace" apply --filename=- <"$root/scripts/sample/workloads.yaml" &&
      node_kubectl --namespace="$namespace" wait --for='jsonpath={.status.readyReplicas}=1' --timeout=120s \
        rc/cassandra rc/mysql rc/myweb rs/myweb &&
      node_kubectl --namespace="$namespace" wait --for=condition=Ready --timeout=120s pod/liveness-exec pod/nginx-pod-node1
  } >"$work/samples.log" 2>&1 || {
    tail -n 10 "$work/samples.log" >&2
    die "the sample workloads do not run; the lines above say why"
  }
}

# chapter_begin "$@" is the beginning of every chapter's kind.sh. It reads the options, brings the cluster up if needed and
# the sample workloads into a namespace of their own, all of which goes away again when the script ends. The context is in
# a kubeconfig of the script's own: the reader's is neither read nor changed.
chapter_begin() {
  local keep='' up=()
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --keep)
        keep=1
        shift
        ;;
      *)
        image_option "$@"
        shift "$taken"
        ;;
    esac
  done
  need_tools
  if [ -n "$keep" ]; then # as if the reader had done this before
    [ -z "$image" ] || up+=(--image "$image")
    [ -z "$image_file" ] || up+=(--image-file "$image_file")
    "$root/scripts/kind-up.sh" ${up[@]+"${up[@]}"} || exit
    image='' image_file=''
  fi
  export KUBECONFIG=$work/kubeconfig
  need_kind
  cluster_up
  write_context
  namespaces_before=" $(node_kubectl get namespaces --output=name | tr '\n' ' ')"
  lab_before=$(list_namespace "$lab_namespace")
  [ "$found" = absent ] || undo+=(chapter_restore) # a cluster that will be deleted need not be tidied up
  is_new "$samples_namespace" || die "the namespace $samples_namespace is there already; nothing but an interrupted $script uses it: remove it with kubectl delete namespace $samples_namespace"
  node_kubectl create namespace "$samples_namespace" >/dev/null
  samples_up "$samples_namespace"
}

# is_new NAMESPACE says whether a namespace was not there when the script began.
is_new() { case $namespaces_before in *" namespace/$1 "*) return 1 ;; esac }

chapter_restore() {
  local name gone=()
  say "Removing what this script loaded into the cluster"
  for name in "$samples_namespace" "$lab_namespace"; do
    ! is_new "$name" || gone+=("$name")
  done
  [ ${#gone[@]} -eq 0 ] || node_kubectl delete namespace --ignore-not-found --timeout=120s "${gone[@]}" >/dev/null || return
  unload_image sample "$sample_image" "$loaded_nodes"
}

# list_namespace NAMESPACE lists what is in a namespace, except what Kubernetes puts into each and the events, which go
# away by themselves.
list_namespace() {
  local kinds names
  kinds=$(node_kubectl api-resources --verbs=list --namespaced --output=name) || return
  kinds=$(grep -v '^events' <<<"$kinds" | paste -s -d , -)
  names=$(node_kubectl get "$kinds" --namespace="$1" --output=name --ignore-not-found 2>"$work/list.log") || {
    tail -n 3 "$work/list.log" >&2
    return 1
  }
  sort <<<"$names" | grep -v -x -e configmap/kube-root-ca.crt -e serviceaccount/default -e '' || true
}

# run_chapter DIRECTORY FLAGS... runs every step of a chapter, shows what it prints, and keeps it for check_output.
run_chapter() {
  local dir=$1
  shift
  say "Running every step: go run ./$dir all -context $context $*"
  say ""
  go -C "$root" run "./$dir" all -context "$context" "$@" | tee "$work/output" ||
    die "a step of $dir failed on kind; its message is above"
  say ""
}

# check_output DIRECTORY compares all that run_chapter has shown with what the chapter's tests expect of each step.
check_output() {
  say "Comparing the output with what the chapter's tests expect"
  LAB_RECORDED=$work/output go -C "$root" test -count=1 -run '^TestAll$' "./$1" >"$work/check.log" 2>&1 || {
    cat "$work/check.log" >&2
    die "the output on kind is not what the chapter's tests expect; the difference is above"
  }
  # A test that was not found counts as passed for go test.
  ! grep -q 'no tests to run' "$work/check.log" || die "$1 has no test TestAll to compare with"
}

# check_nothing_left makes sure that the steps cleaned up behind themselves.
check_nothing_left() {
  local lab_after left
  say "Looking for what the steps left in the namespace $lab_namespace, and in the whole cluster"
  left=$(node_kubectl get crd,apiservices,clusterroles,clusterrolebindings,priorityclasses --selector=client-go-lab/chapter --output=name)
  [ -z "$left" ] || die "the steps left behind in the whole cluster: $(tr '\n' ' ' <<<"$left")"
  lab_after=$(list_namespace "$lab_namespace")
  left=$(comm -13 <(printf '%s\n' "$lab_before") <(printf '%s\n' "$lab_after"))
  [ -z "$left" ] || die "the steps left behind in $lab_namespace: $(tr '\n' ' ' <<<"$left")"
}
