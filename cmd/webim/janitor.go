package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// After a burst the heap keeps garbage until the next collection, which on a
// server of idle clients is minutes away, and for longer what a collection
// freed but the kernel has not got back. The janitor collects once the burst
// is over. Under steady load it does nothing: the collector is at work anyway.

const (
	// gcPercent bounds garbage to half of what lives; most of that is free of
	// pointers, so that collections are cheap.
	gcPercent = 50
	// janitorInterval is how often the janitor looks, for some microseconds.
	janitorInterval = 500 * time.Millisecond
	// quietBytes allocated between two looks are no burst.
	quietBytes = 64 << 10
	// wasteMin is what is worth a collection; wastePart of the live heap too.
	wasteMin  = 256 << 10
	wastePart = 16
	// janitorShare is how many times as long as it worked the janitor rests.
	janitorShare = 50
	// What a collection found alive may go later without any allocation, as half a
	// message whose client leaves. So others follow it, the first after firstFollowUp,
	// each after twice as long, the last after less than lastFollowUp.
	firstFollowUp = 4 * time.Second
	lastFollowUp  = time.Minute
)

// setGC makes the collector thrifty, unless the user has an opinion.
func setGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// janitor returns memory to the kernel. Not safe for concurrent use.
type janitor struct {
	samples [4]metrics.Sample
	allocs  uint64 // at the last look
	dirty   bool   // there was a burst since the last collection
	next    time.Time
	again   time.Time     // of the next follow-up
	wait    time.Duration // from the last collection to it; 0: there is none
	clean   func()        // collects; tests have their own
}

func newJanitor() *janitor {
	j := &janitor{clean: collect}
	for i, name := range []string{
		"/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes", "/gc/heap/live:bytes", "/gc/heap/allocs:bytes",
	} {
		j.samples[i].Name = name
	}
	return j
}

// look is called every janitorInterval.
func (j *janitor) look() {
	metrics.Read(j.samples[:])
	var v [len(j.samples)]uint64
	for i := range v {
		v[i] = j.samples[i].Value.Uint64()
	}
	start := time.Now()
	if start.Before(j.next) {
		return
	}
	switch {
	case j.due(v[0]+v[1], v[2], v[3]):
		j.wait = firstFollowUp
	case !j.followUp(start):
		return
	}
	j.clean()
	j.next = time.Now().Add(janitorShare * time.Since(start))
	j.again = start.Add(j.wait)
}

// followUp reports whether a follow-up is due, and how long the next one waits is known
// then. During a burst none is: its end is a collection anyway.
func (j *janitor) followUp(now time.Time) bool {
	if j.wait == 0 || j.dirty || now.Before(j.again) {
		return false
	}
	if j.wait *= 2; j.wait >= lastFollowUp {
		j.wait = 0
	}
	return true
}

// due reports whether to collect: the kernel's bytes in the heap, those that
// the last collection found alive, and all that were ever allocated.
func (j *janitor) due(held, live, allocs uint64) bool {
	burst := allocs - j.allocs
	j.allocs = allocs
	if burst > quietBytes {
		j.dirty = true
		return false
	}
	// After a burst the last collection's word is not believed: what it found
	// alive, as handshakes under way, may be garbage since.
	due := j.dirty || held >= live+max(wasteMin, live/wastePart)
	j.dirty = false
	return due
}

// collect collects twice, since what lies in a sync.Pool survives once.
func collect() {
	runtime.GC()
	debug.FreeOSMemory()
}
