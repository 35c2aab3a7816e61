package main

import "client-go-lab/internal/chaptertest"

// expected is what each step prints, on the fake API and on a real one alike; see chaptertest.Expected.
var expected = chaptertest.Expected{
	"events": {`add     client-go-lab/kettle (was there)
synced: the cache has client-go-lab/kettle
add     client-go-lab/teapot (new)
update  client-go-lab/teapot: colour "" -> "blue"
update  client-go-lab/teapot: deletionTimestamp is set
delete  client-go-lab/teapot
stopped: no handler runs any more
`},
	"anatomy": {`-- start: kettle is there already
  wire       {"type":"ADDED","object":{"kind":"Pod", ... "name":"kettle" ...}}
  wire       {"type":"BOOKMARK","object":{"kind":"Pod", ... "annotations":{"k8s.io/initial-events-end":"true"} ...}}
  reflector  queue.Replace(1 object(s))
  queue      popped ReplacedAll of 1
  store      replaced: 1 object(s)
  handler    add kettle
  SharedInformer's handler: add kettle
-- create cup
  wire       {"type":"ADDED","object":{"kind":"Pod", ... "name":"cup" ...}}
  reflector  queue.Add(cup)
  queue      popped Added cup
  store      one transaction of 1; now 2 object(s)
  handler    add cup
  SharedInformer's handler: add cup
-- change cup
  wire       {"type":"MODIFIED","object":{"kind":"Pod", ... "name":"cup" ...}}
  reflector  queue.Update(cup)
  queue      popped Updated cup
  store      one transaction of 1; now 2 object(s)
  handler    update cup
  SharedInformer's handler: update cup
-- the loop is busy; meanwhile two pods change
  wire       {"type":"MODIFIED","object":{"kind":"Pod", ... "name":"kettle" ...}}
  wire       {"type":"MODIFIED","object":{"kind":"Pod", ... "name":"cup" ...}}
  reflector  queue.Update(kettle)
  reflector  queue.Update(cup)
  queue      popped Updated kettle, Updated cup
  store      one transaction of 2; now 2 object(s)
  handler    update kettle
  handler    update cup
  SharedInformer's handler: update kettle
  SharedInformer's handler: update cup
-- delete cup
  wire       {"type":"MODIFIED","object":{"kind":"Pod", ... "name":"cup" ...}}
  wire       {"type":"DELETED","object":{"kind":"Pod", ... "name":"cup" ...}}
  reflector  queue.Update(cup)
  reflector  queue.Delete(cup)
  queue      popped Updated cup
  store      one transaction of 1; now 2 object(s)
  handler    update cup
  queue      popped Deleted cup
  store      one transaction of 1; now 1 object(s)
  handler    delete cup
  SharedInformer's handler: update cup
  SharedInformer's handler: delete cup
`},
	"deltafifo": {`-- a list
DeltaFIFO  pops Replaced cup@1
DeltaFIFO  pops Replaced pan@2
RealFIFO   pops ReplacedAll [cup pan]
-- six events, before anything is popped
DeltaFIFO  pops Updated cup@3, Updated cup@5
DeltaFIFO  pops Added kettle@4, Deleted kettle@6
DeltaFIFO  pops Updated pan@7
RealFIFO   pops Updated cup@3
RealFIFO   pops Added kettle@4
RealFIFO   pops Updated cup@5
RealFIFO   pops Deleted kettle@6
RealFIFO   pops Updated pan@7
RealFIFO   pops Deleted ghost@8
-- a list without pan; an update of cup waits
DeltaFIFO  pops Updated cup@9, Replaced cup@9
DeltaFIFO  pops Deleted pan (a tombstone)
RealFIFO   pops Updated cup@9
RealFIFO   pops ReplacedAll [cup]
-- resync; an update of cup waits
DeltaFIFO  pops Updated cup@11
DeltaFIFO  pops Sync pan@2
RealFIFO   pops Updated cup@11
RealFIFO   pops SyncAll
-- an informer of today has a RealFIFO *v1.Pod
`},
	"indexer": {`-- keys
client-go-lab/cup client-go-lab/glass client-go-lab/mug client-go-lab/new
client-go-lab/mug: a *v1.Pod; "a/b/c": , unexpected key format: "a/b/c"
-- indexes
nodes: shelf table
node  shelf  -> cup glass
node  table  -> mug
node  cellar -> none
image tea    -> cup mug
an index that there is not: Index with name colour does not exist
-- listers
Get(cup): cup on shelf
Get(cap): pod "cap" not found
List(drink=tea): cup
`},
	"sharing": {`-- one watch, one object
handlers: 2; requests: 1
both handlers got the same pointer: true; the lister's, too: true
with a second factory: requests: 2; the same pointer: false
-- a handler that is late joins: it gets adds for all that is there
late handler: add cup
requests: still 2
-- a handler that changes what it got
a copy is changed; the cache says: colour ""
the object is changed; the cache says: colour "red"; the server says: colour ""
`},
	"resync": {`two pods, two informers; waiting for a resync, which comes every 1s
waiting for a relist, because the next watches are told 410
                                           resync relist
requests                                        0      4
calls: handler with resync                      2      2
calls: handler without, the other has it        0      0
calls: handler without, nobody has it           0      2
`},
	"relist": {`-- start
  log:     Listing and watching
  request: WATCH, all that is there first, from now
  handler: add cup
  handler: add pan
-- start, with a server that knows no watch-list
  log:     Listing and watching
  request: WATCH, all that is there first, from now
  log:     Data couldn't be fetched in watchlist mode. Falling back to regular list. This is expected if watchlist is not supported or disabled in kube-apiserver.
  request: LIST from 0
  handler: add cup
  handler: add pan
  request: WATCH from where it was
-- the server ends the watch
  bookmark: the store is as fresh as a pod that it does not have; no handler was called
  log:     Watch close
  request: WATCH from where it was
-- the connection breaks
  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  handler: update cup: colour "red"
-- nobody answers; cup is deleted meanwhile
  handler: update cup: colour "blue"
  log:     Watch close
  log:     Watch failed - backing off
  request: WATCH from where it was
  handler: update cup: deletionTimestamp is set
  handler: delete cup
-- 429, too many requests
  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  log:     Watch failed - backing off
  request: WATCH from where it was
-- 503, unavailable
  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  log:     Failed to watch
  log:     Listing and watching
  request: WATCH, all that is there first, from where it was
  handler: update cup, to the same resourceVersion
  handler: update pan, to the same resourceVersion
-- 410, too old; cup is deleted meanwhile
  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  log:     Watch closed
  log:     Listing and watching
  request: WATCH, all that is there first, from where it was
  handler: delete cup, a tombstone; when it was last seen: colour "blue"
  handler: update pan, to the same resourceVersion
-- 410, and 410 again
  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  log:     Watch closed
  log:     Listing and watching
  request: WATCH, all that is there first, from where it was
  request: WATCH, all that is there first, from now
  handler: update cup, to the same resourceVersion
  handler: update pan, to the same resourceVersion
-- a watch that ends in its first second, without an event
  handler: update cup: colour "blue"
  log:     Watch close
  request: WATCH from where it was
  log:     Warning: watch ended with error
  log:     Listing and watching
  request: WATCH, all that is there first, from where it was
  handler: update cup, to the same resourceVersion
  handler: update pan, to the same resourceVersion
`},
	"fresh": {`-- create cup
read at once: pod "cup" not found
is the store as fresh as the write? false
read when it is: colour ""
-- paint cup blue
read at once: colour ""
is the store as fresh as the write? false
read when it is: colour "blue"
-- what is no resourceVersion
""     true
"0"    true
"007"  true
`},
	"slow": {`-- 100 changes of one pod
quick handler: 100 calls; slow handler: 0, and it is in its first
pods in the store: 1; versions of it in memory: 100
-- the slow handler gets on
slow handler: 100 calls: none was left out, none was merged with another
versions in memory: a few: true
-- 100 more changes, and stop
calls of the slow handler that were never made: most: true
`},
	"filter": {`informer                           pods  managedFields image node
all                                   3  yes           yes   yes
label selector drink=tea              2  yes           yes   yes
field selector spec.nodeName=shelf    2  yes           yes   yes
transform                             3  no            no    yes
metadata only                         3  yes           no    no
-- the transform was called for 3 pods 6 times
-- cup gets the label drink=coffee
handler behind drink=tea: delete cup
and yet the pod is there: true
`},
	"dynamic": {`-- pods are there, teas are not
pods: add cup
teas: the server does not know them; the informer tries again
teas: synced: false
-- somebody installs them
teas: synced: true
teas: add green, 3 minutes
the lister has a *unstructured.Unstructured
-- and takes them away again
teas: delete green
`},
}
