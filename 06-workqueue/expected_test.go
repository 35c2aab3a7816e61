package main

import "client-go-lab/internal/chaptertest"

// expected is what each step prints, on fakes and on a real server alike.
var expected = chaptertest.Expected{
	"timeline": {`-- five events, and nobody works yet
eggs   queued, queued, queued
tea    queued
toast  queued
in the queue: 3
-- three workers
eggs   processing, made hard, forgotten, done
tea    processing, queued, made plain, forgotten, done, processing, made milk, forgotten, done
toast  processing, burnt: retry 1, done, processing, burnt: retry 2, done, processing, made plain, forgotten, done
-- an order is taken back
eggs   queued, processing, gone, forgotten, done
`},
	"dedup": {`-- added again while it waits
                 queue       dirty       processing
Add tea, eggs    tea,eggs    eggs,tea    -             first in, first out
Add tea          tea,eggs    eggs,tea    -             nothing changes: it waits already
Get: tea         eggs        eggs        tea           out of dirty at the start of the work, not at its end
Done tea         eggs        eggs        -
-- added again while it is worked on
                 queue       dirty       processing
Get: tea         -           -           tea
Add tea, tea     -           tea         tea           dirty, but not in the queue: no other worker can get it
Done tea         tea         tea         -             it was dirty: back into the queue, once
Get, Done tea    -           -           -
-- four workers, one key, a thousand changes
at once: 1; at most as many runs as changes: true; the last run saw change 1000
`},
	"retry": {`q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
-- right: tea fails four times, toast never
       |0s       |50ms     |100ms
tea    #x.q#x..#x....#x........#o
toast  qq#o
-- right: after a success the backoff begins anew
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x.#x..#x....#o       #x.#o
-- no Forget: the second failure's delay is that of a fourth
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x.#x..#x....#o       #x........#o
-- Forget also after a failure: the delay never grows
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x.q#x.#x.#x.#x.#x.#x.#x.#x.#x.#x.#x.#x.#x.#
toast  qq#o
-- Add instead of AddRateLimited: no delay at all
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #xqq#x#x#x#x#x#x#x#x#x#x#x#x#x#x#x#x#x#x#x#x
toast  qq#o
-- no Done after a failure: its retries, and every later change, wait for ever
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x??????????????????????????????????????????
toast  qq#o
-- the error swallowed: it looks done, and is not
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x
toast  qq#o
-- the limiters
exponential   5ms    10ms   20ms   40ms   80ms   160ms  then Forget: 6 -> 0, 5ms
fast, slow    5ms    5ms    5ms    1s     1s     1s     then Forget: 6 -> 0, 5ms
max of both   5ms    10ms   20ms   1s     1s     1s     then Forget: 6 -> 0, 5ms
at most 40ms  5ms    10ms   20ms   40ms   40ms   40ms   then Forget: 6 -> 0, 5ms
exponential   the 19th failure: 16m40s, and so is every later one
-- the bucket: many keys, each fails for the first time
key   1 waits 5ms (built by hand: 5ms)
key 100 waits 5ms (built by hand: 5ms)
key 110 waits 1s (built by hand: 1s)
key 150 waits 5s (built by hand: 5s)
key 200 waits 10s (built by hand: 10s)
key 200 after Forget waits 10s: its failures are forgotten, its tokens are spent
key 201, a backoff without a bucket: 5ms
`},
	"delay": {`q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
-- AddAfter 50 ms
       |0s       |50ms     |100ms
tea    ..........#o
-- 50 ms, then 20 ms: the sooner one counts
       |0s       |50ms     |100ms
tea    ....#o
-- 20 ms, then 50 ms: the later one is lost
       |0s       |50ms     |100ms
tea    ....#o
-- 50 ms, and Add at once: both
       |0s       |50ms     |100ms
tea    #o........#o
-- 50 ms, but then it is at a worker: once more
       |0s       |50ms     |100ms
tea    ........##!o###o
-- 50 ms, but then it waits in the queue: merged
       |0s       |50ms     |100ms
tea    .......qqqq###o
toast         ###o
-- 0 and less: at once
       |0s       |50ms     |100ms
tea    #o
-- again and again: how to look at something from time to time
       |0s       |50ms     |100ms
tea    #o......#o......#o......
`},
	"fair": {`q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
-- first in, first out: five keys of a resync, then a user's changes
       |0s       |50ms     |100ms    |150ms
old-1  #o
old-2  qq#o
old-3  qqqq#o
old-4  qqqqqq#o
old-5  qqqqqqqq#o
user-1    qqqqqqq#oqq#oqq#o
user-2      qqqqqqq#oqq#oqq#o
-- urgent keys first: the others starve for as long as users are busy
       |0s       |50ms     |100ms    |150ms
old-1  #o
old-2  qq#o
old-3  qqqqqqqqqqqqqqqqqqqq#o
old-4  qqqqqqqqqqqqqqqqqqqqqq#o
old-5  qqqqqqqqqqqqqqqqqqqqqqqq#o
user-1    q#o q#o q#o q#o
user-2      q#o q#o q#o q#o
-- after two urgent keys in a row, one of the others
       |0s       |50ms     |100ms    |150ms
old-1  #o
old-2  qq#o
old-3  qqqqqqqq#o
old-4  qqqqqqqqqqqqqq#o
old-5  qqqqqqqqqqqqqqqqqqqq#o
user-1    q#o qqq#oqqqq#o
user-2      q#o qqq#oqqqq#o
-- an old key becomes urgent while it waits: Touch
       |0s       |50ms
old-1  #o
old-2  qq#o
old-3  qqqqqq#o
old-4  qqqq#o
old-5  qqqqqqqq#o
`},
	"drain": {`q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
-- ShutDown at 15 ms: what was queued is still done, what was delayed is not, and nothing new comes in
       |0s       |50ms     |100ms
eggs   qqqq###o
soup   ...
tea    ##!oqqqqqqqq###o
toast  qqqqqqqq###x
-- ShutDownWithDrain waits for what is at a worker, not for what is in the queue
returned, and in the queue: 2
waits for tea; returned after Done, and in the queue: 1
-- stopping a program: the right order
tea done; eggs done; in the queue: 0
-- the context first: whoever is at work loses it
tea: context canceled; eggs: context canceled; in the queue: 0
-- not waiting for the workers
nothing is done; in the queue: 1
`},
	"metrics": {`q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
       |0s       |500ms    |1s       |1.5s     |2s
eggs                       qqqqqqqqqqqqqqqqqqqqq
soup                       #####################
tea    ##!oqqqq###o
toast  qqqq###x.qqq###o
workqueue_adds_total{name="kitchen"} 6
workqueue_depth{name="kitchen"} 1
workqueue_longest_running_processor_seconds{name="kitchen"} 1
workqueue_queue_duration_seconds_bucket{name="kitchen",le="0.1"} 2
workqueue_queue_duration_seconds_bucket{name="kitchen",le="1"} 5
workqueue_queue_duration_seconds_bucket{name="kitchen",le="10"} 5
workqueue_queue_duration_seconds_bucket{name="kitchen",le="+Inf"} 5
workqueue_queue_duration_seconds_sum{name="kitchen"} 0.65
workqueue_queue_duration_seconds_count{name="kitchen"} 5
workqueue_retries_total{name="kitchen"} 1
workqueue_unfinished_work_seconds{name="kitchen"} 1
workqueue_work_duration_seconds_bucket{name="kitchen",le="0.1"} 0
workqueue_work_duration_seconds_bucket{name="kitchen",le="1"} 4
workqueue_work_duration_seconds_bucket{name="kitchen",le="10"} 4
workqueue_work_duration_seconds_bucket{name="kitchen",le="+Inf"} 4
workqueue_work_duration_seconds_sum{name="kitchen"} 0.8
workqueue_work_duration_seconds_count{name="kitchen"} 4
`},
	"poison": {`q in the queue    # at a worker, ! and added again meanwhile    o done, x failed
. waiting for its delay    ? handed out, at no worker, never given back
-- no limit: the default backoff never ends
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x.q#x..#x....#x........#x................#x
toast  qq#o
-- three retries, then give up; a change at 150 ms begins anew
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x.q#x..#x....#x              #x.#x..#x....#
toast  qq#o
  log:   UnhandledError "msg"="Giving up until it changes" "error"="burnt" "key"="tea" "retries"=3
  event: Warning GaveUp gave up after 3 retries: burnt
-- an error that no retry mends: give up at once
       |0s       |50ms     |100ms    |150ms    |200ms
tea    #x
toast  qq#o
  log:   UnhandledError "msg"="Giving up until it changes" "error"="no retry will help: this kitchen has no kettle" "key"="tea" "retries"=0
  event: Warning GaveUp gave up after 0 retries: no retry will help: this kitchen has no kettle
-- what never giving up costs
in the first second: 8 runs
in the first minute: 14 runs
in the first hour: 21 runs
in the first day: 104 runs
`},
	"clock": {`-- the delays follow it
after 23 h: toast, and 0 in the queue
after 24 h: tea
-- the bucket does not
key 150 waits 5s
a day later key 151 waits 5s, as if no time had passed
-- the layers have a clock each
tea came, and the fake clock has moved by 0s: with a DelayingQueue of your own, Clock and Name go there
`},
}
