package main

import "client-go-lab/internal/chaptertest"

// expected is what each step prints, on the fake and on a real server alike.
var expected = chaptertest.Expected{
	"list": {`cassandra-<id>
liveness-exec
mysql-<id>
myweb-<id>
myweb-<id>
nginx-pod-node1
------
coredns
default-http-backend
metrics-server
`, `cassandra-<id>
liveness-exec
mysql-<id>
myweb-<id>
myweb-<id>
nginx-pod-node1
------
coredns
`}, // on kind
	"anatomy": {`-- a set of RESTClients
*rest.RESTClient for v1       /api/v1/namespaces/<any>/pods
*rest.RESTClient for apps/v1  /apis/apps/v1/namespaces/<any>/deployments
*rest.RESTClient for batch/v1 /apis/batch/v1/namespaces/<any>/jobs
55 of these in all
-- what they share
QPS 0  Burst 0   one HTTP client: true; rate limiters: one for each group-version
QPS 50 Burst 100 one HTTP client: true; rate limiters: one for all
QPS -1 Burst 0   one HTTP client: true; rate limiters: none
QPS 50 Burst 0   burst is required to be greater than 0 when RateLimiter is not set and QPS is set to greater than 0
-- what a typed call sends
POST /apis/authentication.k8s.io/v1/selfsubjectreviews
Content-Type: application/vnd.kubernetes.protobuf
Accept:       application/vnd.kubernetes.protobuf,application/json
-- NewForConfig and NewForConfigAndClient
NewForConfig(as jane): I am jane
NewForConfigAndClient(as jane, my HTTP client): I am jane: false; I am still myself: true
`},
	"crud": {`-- create, get, update, delete
created web; the server filled in: uid true, strategy "RollingUpdate", revisionHistoryLimit true
got     web; kind "", apiVersion ""
updated web; image pause:3.9, generation 1, then 2
deleted web
-- generateName
the prefix batch-: true, and 5 characters
the prefix batch-: true, and 5 characters
the same object sent twice: 2 Deployments
-- preconditions
uid of the first shop:   Conflict
old resourceVersion:     Conflict
uid of the second shop:  deleted
-- delete propagation
Background: the Deployment goes at once
    soon after: ReplicaSets 0, pods 0
Foreground: the Deployment waits for the finalizer foregroundDeletion
    by then: ReplicaSets 0, pods 0
Orphan: the Deployment waits for the finalizer orphan
    it leaves: ReplicaSets 1 (with an owner: 0), pods 1
-- DeleteCollection
left: autumn
`},
	"select": {`-- label selectors
app=web                                         web-1 web-2 web-3
app!=web                                        api-1 api-2 db-1 stray
app,app!=web                                    api-1 api-2 db-1
app in (api, db)                                api-1 api-2 db-1
!canary                                         api-1 db-1 stray web-1 web-2
app=web,canary                                  web-3
-- selectors from values
app=api                                         api-1 api-2
app=web,!canary                                 web-1 web-2
metadata.name=stray                             stray
-- field selectors
metadata.name=db-1                              db-1
spec.restartPolicy!=Always                      db-1 stray
status.phase=Pending,spec.restartPolicy=Always  api-1 api-2 web-1 web-2 web-3
spec.priority=0                                 400: field label not supported: spec.priority
-- pages
api-1 api-2 db-1; more to come: true
stray web-1 web-2; more to come: true
web-3; more to come: false
List returned a *internalversion.List of 7, in pages: true
`},
	"patch": {`-- merge: application/merge-patch+json
    app: shop:1 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
{...[{"name":"app","image":"shop:2"}]}
    app: shop:2 [] []
-- strategic: application/strategic-merge-patch+json
    app: shop:1 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
{...[{"name":"app","image":"shop:2"}]}
    app: shop:2 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
{...[{"name":"app","env":[{"name":"COLOUR","value":"green"}],"args":["-q"]}]}
    app: shop:2 [-q] [SIZE=large COLOUR=green]
    log: log:1 [] []
{...[{"name":"apq","image":"shop:3"}]}
    apq: shop:3 [] []
    app: shop:2 [-q] [SIZE=large COLOUR=green]
    log: log:1 [] []
{...[{"name":"apq","$patch":"delete"}]}
    app: shop:2 [-q] [SIZE=large COLOUR=green]
    log: log:1 [] []
-- json: application/json-patch+json
    app: shop:1 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
[{"op":"replace","path":".../containers/0/image","value":"shop:2"}]
    app: shop:2 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
[{"op":"add","path":".../containers/0","value":{"name":"proxy","image":"proxy:1"}}]
    proxy: proxy:1 [] []
    app: shop:2 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
[{"op":"replace","path":".../containers/0/image","value":"shop:3"}]
    proxy: shop:3 [] []
    app: shop:2 [-v -x] [SIZE=large COLOUR=red]
    log: log:1 [] []
[{"op":"test","path":".../containers/0/name","value":"app"}, {"op":"replace","path":".../containers/0/image","value":"shop:3"}]
    Invalid: the server rejected our request due to an error in our request
[{"op":"add","path":".../containers/2/env/-","value":{"name":"COLOUR","value":"green"}}]
    Invalid: the server rejected our request due to an error in our request
`},
	"apply": {`-- apply creates
created shop, replicas 1
    deployer Apply: metadata.labels spec.paused spec.replicas spec.selector spec.template
-- a conflict, and force
scaler:  Apply failed with 1 conflict: conflict with "deployer": .spec.replicas
scaler:  forced
    deployer Apply: metadata.labels spec.paused spec.selector spec.template
    scaler   Apply: spec.replicas
-- leaving it to the other
    deployer Apply: metadata.labels spec.paused spec.selector spec.template
    scaler   Apply: spec.replicas
-- one value, two owners
    deployer Apply: metadata.labels spec.paused spec.replicas spec.selector spec.template
    scaler   Apply: spec.replicas
-- giving a field up
scaler gives up, deployer still owns: replicas 3
deployer gives up, nobody owns:       replicas 1
    deployer Apply: metadata.labels spec.paused spec.selector spec.template
-- extract, change, apply
in the deployer's extract: image true, replicas false
image shop:2, replicas 2
    deployer Apply: metadata.labels spec.paused spec.selector spec.template
    scaler   Apply: spec.replicas
`},
	"conflict": {`-- two writers, no retry
Ben is refused: Operation cannot be fulfilled on configmaps "ledger": the object has been modified; please apply your changes to the latest version and try again
ledger: map[apples:9 pears:10]
-- RetryOnConflict, reading inside
attempt 1: conflict true
attempt 2: conflict true
attempt 3: conflict false
ledger: map[apples:7 pears:9]
-- RetryOnConflict, reading outside
after 5 attempts still: Conflict
ledger: map[apples:6 pears:9]
-- RetryOnConflict, the error wrapped on its way
%w: written true, attempts 2
%v: written false, attempts 1
ledger: map[apples:4 pears:8]
-- no resourceVersion
no conflict, no error, and the apple that Ann has sold is back
ledger: map[apples:4 pears:7]
`},
	"watch": {`-- typed events
ADDED    kettle map[water:cold]
MODIFIED kettle map[water:hot]
DELETED  kettle map[water:hot]
-- the end of a stream
BOOKMARK name "", resourceVersion set: true
read on: type "", object <nil>
read on: type "", object <nil>
-- RetryWatcher: opens the next stream itself
initial RV "" is not supported due to issues with underlying WATCH
initial RV "0" is not supported due to issues with underlying WATCH
MODIFIED kettle map[water:hot]
in stream 2; bookmarks and ends of streams are not shown
-- RetryWatcher: stops at 410
ERROR    410 Expired: The resourceVersion for the provided watch is too old.
IsResourceExpired true, IsGone false
and then the channel is closed: what helps is a new list
-- UntilWithSync: lists again after 410
the water is hot, seen in stream 2
`, `-- typed events
ADDED    kettle map[water:cold]
MODIFIED kettle map[water:hot]
DELETED  kettle map[water:hot]
-- the end of a stream
BOOKMARK name "", resourceVersion set: true
read on: type "", object <nil>
read on: type "", object <nil>
-- RetryWatcher: opens the next stream itself
initial RV "" is not supported due to issues with underlying WATCH
initial RV "0" is not supported due to issues with underlying WATCH
MODIFIED kettle map[water:hot]
in stream 2; bookmarks and ends of streams are not shown
-- RetryWatcher: stops at 410
this server is so young that it still has revision 1: no 410 today, try again in ten minutes
-- UntilWithSync: lists again after 410
the water is hot, seen in stream 2
`}, // on a server that is only minutes old
	"subresources": {`-- scale
GetScale: a *v1.Scale with 1 replicas, of the pods with app=web
UpdateScale: 2
ApplyScale: Apply failed with 1 conflict: conflict with "clerk" with subresource "scale" using autoscaling/v1: .spec.replicas
ApplyScale with Force: 3
-- status
Update: spec 100 s, status painted false, label by=Update
UpdateStatus: spec 100 s, status painted true, label by=UpdateStatus
-- eviction
EvictV1 guard-1: granted
EvictV1 guard-2: Cannot evict pod as it would violate the pod's disruption budget. (a DisruptionBudget: true)
Delete guard-2: done, budget or not
`},
	"streams": {`-- logs
this node is simulated (kwok): no process runs here, and these lines stand in for its output
-- exec
echo hello: "hello\n"
cat: "one line in\n"
false: exit code 1
-- port-forward
a free port of 127.0.0.1 leads to port 8080 of the pod
GET /: no answer
returned: lost connection to pod
logged: error forwarding port 8080 to pod client-go-lab/talker, uid : nothing listens on port 8080 of pod client-go-lab/talker: its node is simulated; use a kind cluster
-- ephemeral container
Update: Invalid
UpdateEphemeralContainers: now debugger
its node is simulated (kwok), and starts no ephemeral containers
`, `-- logs
running, until a signal comes
-- exec
echo hello: "hello\n"
cat: "one line in\n"
false: exit code 1
-- port-forward
a free port of 127.0.0.1 leads to port 8080 of the pod
GET /: hello from talker
-- ephemeral container
Update: Invalid
UpdateEphemeralContainers: now debugger
it runs, until the pod goes: no request takes it out again
`}, // on kind
	"errors": {`-- the server says no
IsNotFound                   404 NotFound: configmaps "nothing" not found
IsAlreadyExists              409 AlreadyExists: configmaps "note" already exists
IsConflict                   409 Conflict: Operation cannot be fulfilled on configmaps "note": the object has been modified; please apply your changes to the latest version and try again
IsInvalid                    422 Invalid: Service "shop" is invalid: [spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[1].protocol: Unsupported value: "FTP": supported values: "SCTP", "TCP", "UDP"]
                                 spec.ports[0].port FieldValueInvalid
                                 spec.ports[0].targetPort FieldValueInvalid
                                 spec.ports[1].protocol FieldValueNotSupported
IsBadRequest                 400 BadRequest: "data.colour" is not a known field selector: only "metadata.name", "metadata.namespace"
IsUnauthorized               401 Unauthorized: Unauthorized
IsForbidden                  403 Forbidden: configmaps "note" is forbidden: User "jane" cannot get resource "configmaps" in API group "" in the namespace "client-go-lab"
IsMethodNotSupported         405 MethodNotAllowed: the server does not allow this method on the requested resource
IsNotAcceptable              406 NotAcceptable: 406: Not Acceptable
IsUnsupportedMediaType       415 UnsupportedMediaType: 415: Unsupported Media Type
IsRequestEntityTooLargeError 413 RequestEntityTooLarge: Request entity too large: limit is 3145728
IsResourceExpired            410 Expired: The resourceVersion for the provided list is too old.
-- the server says: not now
IsTooManyRequests            429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget.
IsTimeout                    504 Timeout: the server was unable to return a response in the time allotted, but may still be processing the request (get configmaps)
IsTimeout                    504 Timeout: Timeout: Too large resource version: 999999999999
                                 try again after 1 s
-- nobody answers
a deadline in ctx: *url.Error true, DeadlineExceeded true, refused false; IsTimeout false
a closed port: *url.Error true, DeadlineExceeded false, refused true; IsTimeout false
Config.Timeout: the request says ?timeout=100ms; DeadlineExceeded or IsTimeout true
-- wrapped
%w: IsNotFound true, a type assertion false
errors.Join: IsNotFound true, a type assertion false
%v: IsNotFound false, a type assertion false
`, `-- the server says no
IsNotFound                   404 NotFound: configmaps "nothing" not found
IsAlreadyExists              409 AlreadyExists: configmaps "note" already exists
IsConflict                   409 Conflict: Operation cannot be fulfilled on configmaps "note": the object has been modified; please apply your changes to the latest version and try again
IsInvalid                    422 Invalid: Service "shop" is invalid: [spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[1].protocol: Unsupported value: "FTP": supported values: "SCTP", "TCP", "UDP"]
                                 spec.ports[0].port FieldValueInvalid
                                 spec.ports[0].targetPort FieldValueInvalid
                                 spec.ports[1].protocol FieldValueNotSupported
IsBadRequest                 400 BadRequest: "data.colour" is not a known field selector: only "metadata.name", "metadata.namespace"
IsUnauthorized               401 Unauthorized: Unauthorized
IsForbidden                  403 Forbidden: configmaps "note" is forbidden: User "jane" cannot get resource "configmaps" in API group "" in the namespace "client-go-lab"
IsMethodNotSupported         405 MethodNotAllowed: the server does not allow this method on the requested resource
IsNotAcceptable              406 NotAcceptable: 406: Not Acceptable
IsUnsupportedMediaType       415 UnsupportedMediaType: 415: Unsupported Media Type
IsRequestEntityTooLargeError 413 RequestEntityTooLarge: Request entity too large: limit is 3145728
this server is so young that it still has revision 1: no 410 today, try again in ten minutes
-- the server says: not now
IsTooManyRequests            429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget.
IsTimeout                    504 Timeout: the server was unable to return a response in the time allotted, but may still be processing the request (get configmaps)
IsTimeout                    504 Timeout: Timeout: Too large resource version: 999999999999
                                 try again after 1 s
-- nobody answers
a deadline in ctx: *url.Error true, DeadlineExceeded true, refused false; IsTimeout false
a closed port: *url.Error true, DeadlineExceeded false, refused true; IsTimeout false
Config.Timeout: the request says ?timeout=100ms; DeadlineExceeded or IsTimeout true
-- wrapped
%w: IsNotFound true, a type assertion false
errors.Join: IsNotFound true, a type assertion false
%v: IsNotFound false, a type assertion false
`}, // on a server that is only minutes old
	"incluster": {`-- rest.InClusterConfig
KUBERNETES_SERVICE_HOST is set: false
KUBERNETES_SERVICE_PORT is set: false
/var/run/secrets/kubernetes.io/serviceaccount/token is there: false
/var/run/secrets/kubernetes.io/serviceaccount/ca.crt is there: false
this is a pod: false
-- two service accounts, one role
system:serviceaccount:client-go-lab:reader
    can-i list configmaps: true
    can-i delete configmaps: false
    list configmaps: OK
system:serviceaccount:client-go-lab:visitor
    can-i list configmaps: false
    can-i delete configmaps: false
    list configmaps: 403: configmaps is forbidden: User "system:serviceaccount:client-go-lab:visitor" cannot list resource "configmaps" in API group "" in the namespace "client-go-lab"
-- who are you? 401 and 403
no token: 401: Unauthorized
a wrong token: 401: Unauthorized
`, `-- rest.InClusterConfig
KUBERNETES_SERVICE_HOST is set: false
KUBERNETES_SERVICE_PORT is set: false
/var/run/secrets/kubernetes.io/serviceaccount/token is there: false
/var/run/secrets/kubernetes.io/serviceaccount/ca.crt is there: false
this is a pod: false
-- two service accounts, one role
system:serviceaccount:client-go-lab:reader
    can-i list configmaps: true
    can-i delete configmaps: false
    list configmaps: OK
system:serviceaccount:client-go-lab:visitor
    can-i list configmaps: false
    can-i delete configmaps: false
    list configmaps: 403: configmaps is forbidden: User "system:serviceaccount:client-go-lab:visitor" cannot list resource "configmaps" in API group "" in the namespace "client-go-lab"
-- who are you? 401 and 403
no token: 403: configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "client-go-lab"
a wrong token: 401: Unauthorized
`}, // where anybody may ask, as on kind
}
