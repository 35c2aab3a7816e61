package main

import (
	"strings"

	"client-go-lab/internal/chaptertest"
)

// usual is what each step prints, on the fake API and on a real one alike; see chaptertest.Expected.
var usual = map[string]string{
	"pods": `cassandra-<id>
liveness-exec
mysql-<id>
myweb-<id>
myweb-<id>
nginx-pod-node1
`,
	"verbs": `POST /api/v1/namespaces/client-go-lab/configmaps (application/json) -> 201 Created
    created: map[colour:red], and the server gave it a uid: true
GET /api/v1/namespaces/client-go-lab/configmaps/paint -> 200 OK
    got: map[colour:red]
GET /api/v1/namespaces/client-go-lab/configmaps/paint -> 200 OK
PUT /api/v1/namespaces/client-go-lab/configmaps/paint (application/json) -> 200 OK
    updated: map[colour:green]
GET /api/v1/namespaces/client-go-lab/configmaps/paint -> 200 OK
PUT /api/v1/namespaces/client-go-lab/configmaps/paint (application/json) -> 200 OK
PUT /api/v1/namespaces/client-go-lab/configmaps/paint (application/json) -> 409 Conflict
    refused: the object has changed since it was read; read it again, then write
PATCH /api/v1/namespaces/client-go-lab/configmaps/paint (application/merge-patch+json) -> 200 OK
    patched: map[size:large]
PATCH /api/v1/namespaces/client-go-lab/configmaps/paint?fieldManager=chapter-01 (application/apply-patch+yaml) -> 200 OK
    applied: map[finish:matt size:large]
DELETE /api/v1/namespaces/client-go-lab/configmaps/paint -> 200 OK
GET /api/v1/namespaces/client-go-lab/configmaps/paint -> 404 Not Found
    gone
`,
	"result": `StatusCode 201, WasCreated true, ContentType application/json
Warnings   299 unknown field "colour"
Raw        bytes as they came: {"kind":"ConfigMap","apiVersion":"v1"...
Get        a runtime.Object: *v1.ConfigMap
Into       name "result", kind ""
IsNotFound           404 NotFound: configmaps "nothing" not found
IsAlreadyExists      409 AlreadyExists: configmaps "result" already exists
IsConflict           409 Conflict: Operation cannot be fulfilled on configmaps "result": the object has been modified; please apply your changes to the latest version and try again
IsInvalid            422 Invalid: ConfigMap "Not A Name" is invalid: metadata.name: Invalid value<any>
IsBadRequest         400 BadRequest: <any>
IsMethodNotSupported 405 MethodNotAllowed: the server does not allow this method on the requested resource
IsNotFound from Raw: the server could not find the requested resource (get configmaps nothing)
`,
	"table": `columns: Name, Ready, Status, Restarts, Age
wide:    IP, Node, Nominated Node, Readiness Gates

NAME              READY   STATUS    RESTARTS
cassandra-<id>   1/1     Running   0
liveness-exec     1/1     Running   0
mysql-<id>       1/1     Running   0
myweb-<id>       1/1     Running   0
myweb-<id>       1/1     Running   0
nginx-pod-node1   1/1     Running   0
`,
	"pages": `-- page by page
page-1 page-2 page-3; more to come: true
page-4 page-5 page-6; more to come: true
page-7 page-8; more to come: false
-- a token that has expired
page-1 page-2 page-3; more to come: true
410 Expired: ` + expiredMessage + `
page-4 page-5 page-6; more to come: true
-- with pager
page-1 page-2 page-3 page-4 page-5 page-6 page-7 page-8; requests: 3
`,
	"watch": `-- list, then watch from there
listed 0
ADDED    kettle map[water:cold]
MODIFIED kettle map[water:hot]
DELETED  kettle map[water:hot]
-- the end of a stream
BOOKMARK
the channel is closed: no event says so, and no error
-- going on where it ended
ADDED    kettle map[water:cold]
-- going on too late
ERROR    410 Expired: The resourceVersion for the provided watch is too old.
what helps: list again, and watch from there
-- list and watch in one stream
ADDED    kettle map[water:cold]
BOOKMARK
that was all there is (k8s.io/initial-events-end)
`,
	"paths": `-- paths that are no resources
/livez: ok
/readyz: ok
/healthz: ok
/version: <version>
/apis: apps/v1
/apis: autoscaling/v2
/apis: batch/v1
/apis: policy/v1
-- subresources
GET scale: 1 replicas
PATCH scale: 3 replicas
PATCH status: spec.replicas 3, status.observedGeneration 99
-- two kinds of 404
pods "nobody" not found
the server could not find the requested resource
`,
	"config": `-- QPS, Burst
20 requests, QPS and Burst not set: 5 and 10: about 2 s
20 requests, QPS 50, Burst 100: less than 1 s
20 requests, QPS -1: no limit: less than 1 s
-- Timeout
Timeout 1 s: a watch ended after about 1 s, without an error
Timeout(5 s) on one request: GET /api/v1/namespaces?timeout=5s
-- UserAgent
UserAgent not set: managedFields says "Go-http-client"
UserAgent paint-shop/v1.2: managedFields says "paint-shop"
-- WarningHandlerWithContext
warning 299: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice
-- ContentType, AcceptContentTypes
application/json
  7b 22 6b 69 6e 64 22 3a 22 4e 61 6d 65 73 70 61  "{\"kind\":\"Namespa"
application/vnd.kubernetes.protobuf
  6b 38 73 00 0a 0f 0a 02 76 31 12 09 4e 61 6d 65  "k8s\x00\n\x0f\n\x02v1\x12\tName"
fewer bytes as protobuf: true
-- Impersonate
pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "client-go-lab"
`,
	"contexts": `-- load one file
contexts: shop, stage; current: shop
-- merge two: the first file wins
contexts: pi, shop, stage; current: shop
shop in work:home is https://shop.work.example:6443, namespace orders
shop in home:work is https://shop.home.example:6443, namespace default
-- override
https://pi.home.example:6443, namespace garden
https://localhost:8443, namespace kitchen
-- switch
https://stage.work.example:6443, namespace default
-- mistakes
unknown context: context "sohp" does not exist
ExplicitPath to nowhere: os.IsNotExist is true
Precedence to nowhere: clientcmd.IsEmptyConfig is true
-- BuildConfigFromFlags and $KUBECONFIG
BuildConfigFromFlags("", ""): invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable
NewDefaultClientConfigLoadingRules: https://stage.work.example:6443, namespace default
-- in-cluster
KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined
`,
}

// young replaces what a server prints that has not been compacted yet, and still has revision 1.
var young = strings.NewReplacer(
	"410 Expired: "+expiredMessage+"\npage-4 page-5 page-6; more to come: true\n", youngLine,
	"ERROR    410 Expired: The resourceVersion for the provided watch is too old.\nwhat helps: list again, and watch from there\n", youngLine,
)

const youngLine = "this server is so young that it still has revision 1: no 410 today, try again in ten minutes\n"

// expected has a second output for the steps that a young server answers otherwise.
var expected = func() chaptertest.Expected {
	all := chaptertest.Expected{}
	for step, want := range usual {
		all[step] = []string{want}
		if other := young.Replace(want); other != want {
			all[step] = append(all[step], other)
		}
	}
	return all
}()
