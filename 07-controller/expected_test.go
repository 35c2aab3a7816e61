package main

// expected is what each lesson prints, on every server.
var expected = map[string][]string{
	"minimal": {`-- what it does
the Website shop has the ConfigMap shop: index.html is <h1>Open</h1>
a new page: index.html is <h1>Sale</h1>
-- wrong: what it made may go away
the ConfigMap shop is deleted, cafe got its own meanwhile, and shop has none: nobody watches ConfigMaps
-- wrong: what has the name may be somebody's
the ConfigMap bar was there, with notes of "somebody's": now it has an owner, the Website bar, and goes when that goes
-- wrong: it says nothing
the Website shop: generation 2, observedGeneration 0, 0 conditions
`},
	"ownership": {`-- a Website is created
ConfigMap  shop: owned by the Website shop
Deployment shop: owned by the Website shop
Service    shop: owned by the Website shop
accepted: the finalizer 1, the directory's entry and the ConfigMap 2, the Deployment 1, the Service 1
-- three resyncs, a second each
sent: nothing
-- others change its children
a label is lost: the ConfigMap's lab.example.com/website: mended
a field is changed: the ConfigMap's page: mended
the Deployment is deleted: mended
the Deployment is another one: true
others add to the ConfigMap: the annotation team=blue and the page robots.txt=no stay
-- a ConfigMap of the name is there already, and is somebody's
HostClaimed  True   Claimed      the host name is this Website's
Ready        False  NameTaken    a ConfigMap "cafe" is there that is not this Website's
the ConfigMap cafe is as it was: owners 0, [notes]
it is deleted: cafe has its children
-- the Website is deleted
its children are gone; the controller's DELETEs: the directory's entry 1, Deployments 0, Services 0
`},
	"status": {`-- created with 2 replicas
generation 1, observedGeneration 1, availableReplicas 2, url http://shop.example.com/
HostClaimed  True   Claimed      the host name is this Website's
Ready        True   Available    2 of 2 replicas are available
-- kubectl scale --replicas=3
generation 2, observedGeneration 2, availableReplicas 3, url http://shop.example.com/
HostClaimed  True   Claimed      the host name is this Website's
Ready        True   Available    3 of 3 replicas are available
-- suspended
generation 3, observedGeneration 3, availableReplicas 0, url http://shop.example.com/
HostClaimed  True   Claimed      the host name is this Website's
Ready        False  Suspended    suspended: no pods run
-- no longer suspended, and changed again while the status is on its way
the server's answer to the status update: 409; reconciles that ended in a conflict: one more
generation 5, observedGeneration 5, availableReplicas 3, url http://shop.example.com/
HostClaimed  True   Claimed      the host name is this Website's
Ready        True   Available    3 of 3 replicas are available
-- a name that a Website may have, and a Service may not
HostClaimed  True   Claimed      the host name is this Website's
Ready        False  Invalid      apply the Service "my.shop": Service "my.shop"
tried again: false
`},
	"events": {`-- created: pods are made, then it is there
Normal   Available    shop   1 of 1 replicas are available
regarding the Website shop, action Reconcile, reported by lab.example.com/website-controller, series nil
-- the host is another Website's
Warning  HostTaken    shop2  the host name shop.example.com is taken
-- looked at again ten times, because somebody meddles with the page
events about shop: 1
-- suspended, and back
Normal   Available    shop   1 of 1 replicas are available
Normal   Suspended    shop   suspended: no pods run
Normal   Available    shop   1 of 1 replicas are available
the same reason twice, and no series: they are about 3 versions of the object
`},
	"finalizer": {`-- the directory of sites: one entry for each host, and no owner reference can point there
the entry shop.example.com: namespace client-go-lab, name shop, owner references 0
the Website's finalizers: [lab.example.com/directory]
-- a second Website wants the same host, and waits
HostClaimed  False  HostTaken    the host name shop.example.com is taken
Ready        False  HostTaken    the host name shop.example.com is taken
-- the first one is deleted
shop is gone
the entry shop.example.com: namespace client-go-lab, name rival, owner references 0
-- no controller runs, and the second one is deleted
rival is still there; deletionTimestamp set: true; finalizers: [lab.example.com/directory]
no finalizer can be added any more: 422 Invalid
the entry shop.example.com: namespace client-go-lab, name rival, owner references 0
-- a controller starts
rival is gone, and the entry shop.example.com went before it
`},
	"election": {`-- a is asked to stop
a works
a is told to stop
a renews its lease
a has stopped
b works
-- a can no longer renew its lease (this takes 6 seconds)
a works
a writes: accepted
a is told to stop
a has stopped
b works
a's end: the lease website-controller could not be renewed in 4s and is lost
a writes: not sent: another replica may be the leader by now
-- a is asked to stop, and its work stands in client-go's OnStartedLeading
a works
a is told to stop
b works
a has stopped
`},
	"metrics": {`GET /healthz: 200 ok
GET /readyz: 200 ok
-- a Website is created, and the server fails three times when its Service is applied
-- what it is now
leader_election_master_status{name="website-controller"} 1
    1 at the leader, 0 at the others: the sum must be 1
workqueue_depth{name="websites"} as before
    keys that wait: if it grows at the leader, there are too few workers, or too few requests a second
-- how much it has grown
website_reconcile_total{result="error"} +3 or more
    reconciles that failed: the log says why
workqueue_retries_total{name="websites"} +3 or more
    keys that came back, after errors and after conflicts
rest_client_requests_total{code="500",method="PATCH"} +3 or more
    what the server answered: 5xx and 429 it is the server, 403 it is the Role
workqueue_work_duration_seconds_count{name="websites"} +3 or more
    reconciles; with _sum and _bucket, how long they take
`},
}
