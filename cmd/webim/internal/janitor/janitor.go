// Package janitor decides when the Go runtime collects garbage: rarely while little memory is in use, and
// soon after a burst.
package janitor

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// After a burst the heap keeps its garbage until the next collection, which on a server of idle
// clients may be minutes away, and keeps freed memory even longer before the kernel gets it
// back. The janitor runs a collection when the burst is over. Under steady load it does
// nothing, because the collector runs anyway.

const (
	// gcPercent bounds garbage to half of the live heap. Most of the live heap has no pointers,
	// so collections are cheap.
	gcPercent = 50
	// reserveBytes is the size of reserve. So a small heap may gather garbage of half of that size
	// besides its own half.
	reserveBytes = 16 << 20
	// Interval is the time between two calls of Look; a call takes some microseconds.
	Interval = 500 * time.Millisecond
	// quietBytes is the maximum number of bytes allocated between two calls without counting as
	// a burst.
	quietBytes = 64 << 10
	// A collection is worthwhile if it may free wasteMin, and one part in wastePart of the live
	// heap.
	wasteMin  = 256 << 10
	wastePart = 16
	// After a collection the janitor pauses for pauseShare times the duration of that
	// collection.
	pauseShare = 50
	// Memory that a collection found alive may become garbage later without any allocation,
	// such as half a message of a client that leaves. So follow-ups come after a collection:
	// the first after firstFollowUp, each next one after twice the time, the last after less
	// than lastFollowUp.
	firstFollowUp = 4 * time.Second
	lastFollowUp  = time.Minute
)

// reserve is memory that is allocated at the start and never touched, so it has no pages. It counts
// as live for the collector and in GOMEMLIMIT. Without it, a heap of 3 MB that clients make grow to
// 100 MB in a tenth of a second is collected at 3, 4.5, 7 MB and so on. Each of these collections
// stops all workers twice, and makes whoever allocates help with it: others waited for 20 to 40 ms.
var reserve atomic.Pointer[[]byte]

// SetGC sets a low GC percentage and allocates the reserve, unless the user has set GOGC.
func SetGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		reserve.Store(new(make([]byte, reserveBytes)))
	}
}

// Janitor returns memory to the kernel. It is not safe for concurrent use.
type Janitor struct {
	samples [4]metrics.Sample
	allocs  uint64 // at the last call of Look
	dirty   bool   // there was a burst after the last collection
	next    time.Time
	again   time.Time     // the time of the next follow-up
	wait    time.Duration // from the last collection to the next follow-up; 0 if there is none
	clean   func()        // collects garbage; tests replace it
}

// New makes a Janitor.
func New() *Janitor {
	j := &Janitor{clean: Collect}
	for i, name := range []string{
		"/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes", "/gc/heap/live:bytes", "/gc/heap/allocs:bytes",
	} {
		j.samples[i].Name = name
	}
	return j
}

// read returns the bytes of heap memory that are taken from the kernel, those that the last
// collection found alive, both without the reserve, and the total allocated so far.
func (j *Janitor) read() (held, live, allocs uint64) {
	metrics.Read(j.samples[:])
	var v [len(j.samples)]uint64
	for i := range v {
		v[i] = j.samples[i].Value.Uint64()
	}
	reserved := uint64(0)
	if b := reserve.Load(); b != nil {
		reserved = uint64(len(*b))
	}
	return v[0] + v[1] - reserved, v[2] - min(v[2], reserved), v[3] // before the first collection v[2] is 0
}

// Look is called every Interval.
func (j *Janitor) Look() {
	held, live, allocs := j.read()
	start := time.Now()
	if start.Before(j.next) {
		return
	}
	switch {
	case j.due(held, live, allocs):
		j.wait = firstFollowUp
	case !j.followUp(start):
		return
	}
	j.clean()
	j.next = time.Now().Add(pauseShare * time.Since(start))
	j.again = start.Add(j.wait)
}

// followUp reports whether a follow-up is due, and doubles the wait for the next one. During a
// burst no follow-up is due, because the end of the burst causes a collection anyway.
func (j *Janitor) followUp(now time.Time) bool {
	if j.wait == 0 || j.dirty || now.Before(j.again) {
		return false
	}
	if j.wait *= 2; j.wait >= lastFollowUp {
		j.wait = 0
	}
	return true
}

// due reports whether to collect. held is the heap memory taken from the kernel, live the
// memory that the last collection found alive, and allocs the total allocated so far, all in
// bytes.
func (j *Janitor) due(held, live, allocs uint64) bool {
	burst := allocs - j.allocs
	j.allocs = allocs
	if burst > quietBytes {
		j.dirty = true
		return false
	}
	// After a burst, live is not reliable: memory that was alive then, such as handshakes in
	// progress, may be garbage now.
	due := j.dirty || held >= live+max(wasteMin, live/wastePart)
	j.dirty = false
	return due
}

// Collect runs two collections, because objects in a sync.Pool survive the first one.
func Collect() {
	runtime.GC()
	debug.FreeOSMemory()
}
