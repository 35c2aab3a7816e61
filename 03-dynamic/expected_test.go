package main

import "client-go-lab/internal/chaptertest"

// expected is what each step prints, on the fakes and on a real API server alike.
var expected = chaptertest.Expected{
	"list": {`pods: v1/pods, kind Pod, in the namespace <any>
cassandra-<id>
liveness-exec
mysql-<id>
myweb-<id>
myweb-<id>
nginx-pod-node1
`},
	"crud": {`-- create, get, update, delete
created CronJob kettle: 0 4 * * *
updated CronJob kettle: 0 5 * * *
deleted: cronjobs.batch "kettle" not found
-- reading a field
NestedString spec.schedule: "0 4 * * *", found true
NestedString spec.timeZone, which is not there: "", found false
NestedString spec.suspend, a bool: error: .spec.suspend accessor error: true is of the type bool, expected string
NestedString spec.schedule.hour, through a string: error: .spec.schedule.hour accessor error: 0 4 * * * is of the type string, expected map[string]interface{}
NestedInt64 spec.failedJobsHistoryLimit: 2, found true
NestedInt64 of an int: error: .spec.failedJobsHistoryLimit accessor error: 2 is of the type int, expected int64
NestedFieldNoCopy of null: <nil>, found true
NestedMap of null: error: .status accessor error: <nil> is of the type <nil>, expected map[string]interface{}
-- a copy, or the thing itself
NestedSlice, changed:         the object has example.com/water:1
SetNestedSlice:               the object has example.com/water:2
NestedFieldNoCopy, changed:   the object has example.com/water:3
-- writing a field
SetNestedField int64(5): error <nil>
SetNestedField 5:        panics: cannot deep copy int
SetNestedField []string: panics: cannot deep copy []string
SetNestedStringSlice:    error <nil>
through a string:        error value cannot be set because .spec.schedule is not a map[string]interface{}
`},
	"apply": {`-- example.yaml, as a dry run
customresourcedefinitions.apiextensions.k8s.io/plates.dynamic.lab.example.com applied (server dry run)
plate/dinner not checked: a dry run does not install its CRD
priorityclasses.scheduling.k8s.io/client-go-lab-dinner applied (server dry run)
configmaps/salt applied (server dry run)
configmaps/pepper applied (server dry run)
-- example.yaml
customresourcedefinitions.apiextensions.k8s.io/plates.dynamic.lab.example.com applied
plates.dynamic.lab.example.com/dinner applied
priorityclasses.scheduling.k8s.io/client-go-lab-dinner applied
configmaps/salt applied
configmaps/pepper applied
-- files that are not good
nothing applied: document 1: it has no apiVersion or no kind
document 3: error converting YAML to JSON: yaml: unmarshal errors: line 3: key "kind" already set in map
nothing applied: document 2, Samovar b: this server has no kind Samovar in tea.example.com/v1 (is its CRD installed?)
configmaps/honey applied
document 1, ConfigMap sugar: failed to create typed patch object (/sugar; /v1, Kind=ConfigMap): .data.lumps: expected string, got &value.valueUnstructured{Value:2}
`},
	"mapper": {`-- from a kind, as in a file, to a resource, as in a URL
Deployment.apps                  apps/v1/deployments, scope namespace
NetworkPolicy.networking.k8s.io  networking.k8s.io/v1/networkpolicies, scope namespace
Endpoints                        v1/endpoints, scope namespace
Namespace                        v1/namespaces, scope root
-- from what a person types to a kind
deployments.v1.apps              apps/v1, Kind=Deployment
deployments.apps                 apps/v1, Kind=Deployment
deployments                      apps/v1, Kind=Deployment
deployment                       apps/v1, Kind=Deployment
deploy                           apps/v1, Kind=Deployment
netpol                           networking.k8s.io/v1, Kind=NetworkPolicy
-- several versions, several groups: the server says which comes first
HorizontalPodAutoscaler.autoscaling: autoscaling/v2/horizontalpodautoscalers
HorizontalPodAutoscaler.autoscaling, version v1: autoscaling/v1/horizontalpodautoscalers
no matches for kind "HorizontalPodAutoscaler" in version "autoscaling/v2beta2"
events: 2 kinds, first /v1, Kind=Event
-- a mapper that has grown old
before:                 no matches for kind "Spoon" in group "dynamic.lab.example.com"
the server has it now:  no matches for kind "Spoon" in group "dynamic.lab.example.com"
after the reset:        dynamic.lab.example.com/v1/spoons
`},
	"convert": {`-- from a type to a map
kind "", data map[leaves:green]
apply: invalid object type: /, Kind=
apply with a kind: ConfigMap tea
-- from a map to a type
FromUnstructured: no error; Schedule 0 4 * * *
FromUnstructuredWithValidation: strict decoding error: unknown field "spec.schedul"
a string for a bool: unrecognized type: bool
-- what gets lost without a word
newInTwoYears: a field that this program's types do not have -> <nil>
failedJobsHistoryLimit: 4294967298 -> 2
jobTemplate.metadata: map[labels:map[]] -> map[]
status: <nil> -> map[]
-- the same on the server
fieldValidation=Ignore: created, schedul there false
fieldValidation=Strict: CronJob in version "v1" cannot be handled as a CronJob: strict decoding error: unknown field "spec.schedul"
`},
	"crd": {`cups.dynamic.lab.example.com is established
-- a good one: defaults, and what is not in the schema
sent:   spec map[handle:left holds:200], status map[celsius:100]
stored: spec map[colour:white filled:0 holds:200], status <nil>
strict: Cup in version "v1" cannot be handled as a Cup: strict decoding error: unknown field "spec.handle"
-- bad ones: the causes
map[colour:plaid holds:20]: 422 Invalid
    FieldValueInvalid <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation
    FieldValueInvalid spec.holds: Invalid value: 20: spec.holds in body should be greater than or equal to 50
    FieldValueNotSupported spec.colour: Unsupported value: "plaid": supported values: "white", "blue"
map[holds:a lot]: 422 Invalid
    FieldValueInvalid <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation
    FieldValueTypeInvalid spec.holds: Invalid value: "string": spec.holds in body must be of type integer: "string"
map[filled:10]: 422 Invalid
    FieldValueInvalid <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation
    FieldValueRequired spec.holds: Required value
map[filled:300 holds:200]: 422 Invalid
    FieldValueInvalid spec: Invalid value: there is more in the cup than it holds
-- spec and status have doors of their own
Update:       sent filled 100, celsius 50: generation 2, stored spec map[colour:white filled:100 holds:200], status <nil>
UpdateStatus: sent filled 200, celsius 150: generation 2, stored spec map[colour:white filled:100 holds:200], status map[celsius:150]
`},
	"metadata": {`50 ConfigMaps of 8192 bytes
dynamic:  50 objects, application/json; the first has 8192 bytes of data
metadata: 50 objects, application/vnd.kubernetes.protobuf; the first is page-01, labels map[client-go-lab/chapter:03]
less than a third of the bytes: true
less than a third of the heap:  true
`},
	"columns": {`-- columns of your own
NAME      SCHEDULE    ZONE     IMAGES                                   HEAT                 CHAPTER
kettle    0 4 * * *   <none>   example.com/water:1                      <none>               03
toaster   0 4 * * *   UTC      example.com/bread:1,example.com/heat:2   example.com/heat:2   03
-- the server's columns
NAME      SCHEDULE    TIMEZONE   SUSPEND   ACTIVE   LAST SCHEDULE
kettle    0 4 * * *   <none>     True      0        <none>
toaster   0 4 * * *   UTC        True      0        <none>
`},
	"watch": {`{"object":{"apiVersion":"v1","data":{"water":"cold"},"kind":"ConfigMap","metadata":{"labels":{"client-go-lab/chapter":"03"},"name":"kettle","namespace":"client-go-lab"}},"type":"ADDED"}
{"object":{"apiVersion":"v1","data":{"water":"hot"},"kind":"ConfigMap","metadata":{"labels":{"client-go-lab/chapter":"03"},"name":"kettle","namespace":"client-go-lab"}},"type":"MODIFIED"}
{"object":{"apiVersion":"v1","data":{"water":"hot"},"kind":"ConfigMap","metadata":{"labels":{"client-go-lab/chapter":"03"},"name":"kettle","namespace":"client-go-lab"}},"type":"DELETED"}
`},
}
