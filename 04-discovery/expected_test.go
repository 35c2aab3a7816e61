package main

import "client-go-lab/internal/chaptertest"

// expected is what each step prints, on the fake API and on a real one alike; see chaptertest.Expected. The tables of the
// first two are what kubectl printed for the recorded server: TestRecordingsOnCluster compares them with today's.
var expected = chaptertest.Expected{
	"resources": {string(testdata("api-resources.txt"))},
	"versions":  {string(testdata("api-versions.txt"))},
	"skew": {`-- this program and this server
client-go v0.37.2, made for Kubernetes 1.37
client-go/pkg/version says v0.0.0-master+$Format:%H$: nobody sets it in your build
server    <version>
✓ exactly the same API on both sides
-- a client-go for every Kubernetes
Kubernetes 1.4   client-go v1.4.y
Kubernetes 1.5   client-go v2.0.y or v1.5.y
Kubernetes 1.7   client-go v4.0.y
Kubernetes 1.8   client-go kubernetes-1.8.y or v5.0.y
Kubernetes 1.15  client-go kubernetes-1.15.y or v12.0.y
Kubernetes 1.16  client-go kubernetes-1.16.y or v0.16.y
Kubernetes 1.17  client-go v0.17.y or kubernetes-1.17.y
Kubernetes 1.37  client-go v0.37.y or kubernetes-1.37.y
-- what the skew policy supports with a server 1.37
another kube-apiserver   1.36 to 1.38
kube-controller-manager  1.36 to 1.37
kube-scheduler           1.36 to 1.37
cloud-controller-manager 1.36 to 1.37
kubelet                  1.34 to 1.37
kube-proxy               1.34 to 1.37
kubectl                  1.36 to 1.38
`},
	"preferred": {`-- groups with several versions, the preferred one first
autoscaling: v2, v1; preferred: v2
-- one name, several groups or versions
events: events.k8s.io/v1, v1; preferred: events.k8s.io/v1, v1
horizontalpodautoscalers: autoscaling/v1, autoscaling/v2; preferred: autoscaling/v2
-- one autoscaler, two versions
written as autoscaling/v1: targetCPUUtilizationPercentage 80
read as autoscaling/v2:    metrics[].resource cpu, target.averageUtilization 80
-- one event, two groups
written in v1:             message "the kettle is on"
read in events.k8s.io/v1:  note "the kettle is on"
`},
	"aggregated": {`-- aggregated: resources come with their groups
GET /api -> 200, <any>
GET /apis -> 200, <any>
requests: 2, <any>
-- legacy: groups first, then one request for each group-version
GET /api -> 200, <any>
GET /api/v1 -> 200, <any>
GET /apis -> 200, <any>
GET /apis/admissionregistration.k8s.io/v1 -> 200, <any>
GET /apis/apiextensions.k8s.io/v1 -> 200, <any>
GET /apis/apiregistration.k8s.io/v1 -> 200, <any>
GET /apis/apps/v1 -> 200, <any>
GET /apis/authentication.k8s.io/v1 -> 200, <any>
GET /apis/authorization.k8s.io/v1 -> 200, <any>
GET /apis/autoscaling/v1 -> 200, <any>
GET /apis/autoscaling/v2 -> 200, <any>
GET /apis/batch/v1 -> 200, <any>
GET /apis/certificates.k8s.io/v1 -> 200, <any>
GET /apis/coordination.k8s.io/v1 -> 200, <any>
GET /apis/discovery.k8s.io/v1 -> 200, <any>
GET /apis/events.k8s.io/v1 -> 200, <any>
GET /apis/flowcontrol.apiserver.k8s.io/v1 -> 200, <any>
GET /apis/networking.k8s.io/v1 -> 200, <any>
GET /apis/node.k8s.io/v1 -> 200, <any>
GET /apis/policy/v1 -> 200, <any>
GET /apis/rbac.authorization.k8s.io/v1 -> 200, <any>
GET /apis/resource.k8s.io/v1 -> 200, <any>
GET /apis/scheduling.k8s.io/v1 -> 200, <any>
GET /apis/storage.k8s.io/v1 -> 200, <any>
GET /apis/storagemigration.k8s.io/v1 -> 200, <any>
requests: 25, <any>
the same resources and verbs: true
-- it is the Accept header that makes the difference
Accept:       application/json
Content-Type: application/json
Accept:       application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json
Content-Type: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList
-- what is inside, of the group batch
batch/v1 is Current
  cronjobs, a CronJob, Namespaced, subresources: status
  jobs, a Job, Namespaced, subresources: status
`},
	"cached": {`-- in memory
everything, first: requests: 2
everything, again: requests: 0
apps/v1: requests: 0
the server's version: requests: 1 (never cached)
-- a custom resource that came later
teapot.lab.example.com/v1: not found; apierrors.IsNotFound: false; Fresh: true; requests: 0
RESTMapper: no matches for kind "Teapot" in group "teapot.lab.example.com"; requests: 0
after a reset: teapots.teapot.lab.example.com; requests: 2
-- a custom resource that has gone
teapot.lab.example.com/v1: teapots; requests: 0
list: the server could not find the requested resource; requests: 1
-- on disk
first start: requests: 2; files: 24, one for each group-version and one for the groups
second start: requests: 0; Fresh: false
after Invalidate:
GET /api -> 304, 0 bytes
GET /apis -> 304, 0 bytes
requests: 2, bytes: 0
Fresh: true
`},
	"partial": {`APIService v1.broken.lab.example.com: Available False, EndpointsNotFound
-- everything, aggregated
apps/v1 is there: true; error: true; requests: 4
the error: unable to retrieve the complete list of server APIs: broken.lab.example.com/v1: stale GroupVersion discovery: broken.lab.example.com/v1
IsGroupDiscoveryFailedError: true; of the same error, wrapped: false
missing: broken.lab.example.com/v1
-- everything, legacy
apps/v1 is there: true; error: true; requests: 52
the error: unable to retrieve the complete list of server APIs: broken.lab.example.com/v1: the server is currently unable to handle the request
IsGroupDiscoveryFailedError: true; of the same error, wrapped: false
missing: broken.lab.example.com/v1
-- everything, with a cache on disk, as kubectl asks
apps/v1 is there: true; error: false; requests: 2
-- less than everything
apps/v1: deployments are there: true
broken.lab.example.com/v1: the server is currently unable to handle the request; IsServiceUnavailable: true, IsNotFound: false
groups, aggregated: no error, broken.lab.example.com with 0 versions
groups, legacy: no error, broken.lab.example.com with 1 versions
-- without the APIService
apps/v1 is there: true; error: false; requests: 2
`},
	"explain": {`deployments.spec.template.spec.containers, in apps/v1 Deployment
[]Container, required
List of containers belonging to the pod. Containers cannot currently be added or removed. There must be at least one container in a Pod. Cannot be updated.

  args                      []string                 Arguments to the entrypoint.
  command                   []string                 Entrypoint array.
  env                       []EnvVar                 List of environment variables to set in the container.
  envFrom                   []EnvFromSource          List of sources to populate environment variables in the container.
  image                     string                   Container image name.
  imagePullPolicy           string                   Image pull policy.
  lifecycle                 Lifecycle                Actions that the management system should take in response to container lifecycle events.
  livenessProbe             Probe                    Periodic probe of container liveness.
  name                      string, required         Name of the container specified as a DNS_LABEL.
  ports                     []ContainerPort          List of ports to expose from the container.
  readinessProbe            Probe                    Periodic probe of container service readiness.
  resizePolicy              []ContainerResizePolicy  Resources resize policy for the container.
  resources                 ResourceRequirements     Compute Resources required by this container.
  restartPolicy             string                   RestartPolicy defines the restart behavior of individual containers in a pod.
  restartPolicyRules        []ContainerRestartRule   Represents a list of rules to be checked to determine if the container should be restarted on exit.
  securityContext           SecurityContext          SecurityContext defines the security options the container should be run with.
  startupProbe              Probe                    StartupProbe indicates that the Pod has successfully initialized.
  stdin                     boolean                  Whether this container should allocate a buffer for stdin in the container runtime.
  stdinOnce                 boolean                  Whether the container runtime should close the stdin channel after it has been opened by a single attach.
  terminationMessagePath    string                   Optional: Path at which the file to which the container's termination message will be written is mounted into the container's filesystem.
  terminationMessagePolicy  string                   Indicate how the termination message should be populated.
  tty                       boolean                  Whether this container should allocate a TTY for itself, also requires 'stdin' to be true.
  volumeDevices             []VolumeDevice           volumeDevices is the list of block devices to be used by the container.
  volumeMounts              []VolumeMount            Pod volumes to mount into the container's filesystem.
  workingDir                string                   Container's working directory.

GET /openapi/v3 -> 200, <any>
GET /openapi/v3/apis/apps/v1 -> 200, <any>
requests: 2, <any>
`},
	"supports": {`RESOURCE                                           VERB      SERVED                  YOU MAY   JANE MAY
deployments.v1.apps                                list      yes                     yes       no
deployments.v1.apps                                approve   no such verb            yes       no
deployments.v1beta1.apps                           list      no such group-version   yes       no
pods/exec.v1.                                      create    yes                     yes       no
pods/exec.v1.                                      list      no such verb            yes       no
selfsubjectaccessreviews.v1.authorization.k8s.io   create    yes                     yes       yes
teapots.v1.unknown.example.com                     list      no such group-version   yes       no
`},
}
