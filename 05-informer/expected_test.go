package main

import "client-go-lab/internal/chaptertest"

// expected is what each step prints, on the fake API and on a real one alike; see chaptertest.Expected.
var expected = chaptertest.Expected{
	"events": {`synced: the cache has client-go-lab/kettle
add     client-go-lab/kettle (was there)
add     client-go-lab/teapot (new)
update  client-go-lab/teapot: colour "" -> "blue"
update  client-go-lab/teapot: deletionTimestamp is set
delete  client-go-lab/teapot
stopped: no handler runs any more
`},
}
