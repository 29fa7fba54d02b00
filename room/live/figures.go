package live

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"webim/netpoll"
	"webim/room"
)

// Figures are what a node did in a second, and held at its end.
type Figures struct {
	At int64 `json:"at"` // unix milliseconds

	Connections int64   `json:"connections"` // open WebSockets
	Rooms       int     `json:"rooms"`       // with members
	Members     int     `json:"members"`
	In          float64 `json:"in"`        // messages from clients a second, commands included
	Out         float64 `json:"out"`       // messages to clients a second, replies included
	Delivered   float64 `json:"delivered"` // messages of rooms a second, one for each member

	// Of the delivered: from the room's log until they were written to all whom the
	// same sweep serves; milliseconds, null if there were none.
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`

	Queued  int64 `json:"queued"`  // bytes that sockets have refused
	Lagging int   `json:"lagging"` // connections of which that is so
	Evicted int64 `json:"evicted"` // closed since the start because all queues held too much
	Slow    int64 `json:"slow"`    // closed since the start because they did not read

	Memory  int64   `json:"memory"`   // resident set, bytes; 0: not known
	Heap    int64   `json:"heap"`     // objects of the Go heap, bytes, garbage not yet collected included
	PerConn float64 `json:"per_conn"` // the resident set by connections, without the process as it was before any client; 0: there are none, or it is not known

	Busy       float64 `json:"busy"` // workers, on an average of the second
	Workers    int     `json:"workers"`
	Goroutines int     `json:"goroutines"`
}

// reading is what the counters show at a time.
type reading struct {
	at     time.Time
	server netpoll.Stats
	hub    room.Stats
}

func (f *Feed) read() *reading {
	return &reading{time.Now(), f.shown.Stats(), f.cfg.Hub.Stats()}
}

// figures are what happened between two readings.
func (r *reading) figures(before *reading, idle int64) Figures {
	seconds := max(r.at.Sub(before.at).Seconds(), 1e-3)
	rate := func(n, was int64) float64 { return rounded(float64(max(0, n-was)) / seconds) }
	s, h := &r.server, &r.hub
	x := Figures{
		At: millis(r.at), Connections: s.Open, Rooms: h.Rooms, Members: h.Members,
		In: rate(s.MessagesIn, before.server.MessagesIn), Out: rate(s.MessagesOut, before.server.MessagesOut),
		Delivered: rate(h.Delivered, before.hub.Delivered),
		Queued:    s.Queued, Lagging: s.Lagging, Evicted: s.Evictions, Slow: s.Closed[netpoll.Slow],
		Busy: rounded(100*(s.Worked-before.server.Worked).Seconds()/seconds) / 100, Workers: s.Workers,
	}
	if took := h.Written.Since(before.hub.Written); took.Total() > 0 {
		ms := func(q float64) *float64 {
			v := float64(took.Quantile(q).Microseconds()) / 1000
			return &v
		}
		x.P50, x.P99 = ms(0.50), ms(0.99)
	}
	x.memory(idle)
	return x
}

// rounded keeps a tenth: more digits are noise, and bytes.
func rounded(v float64) float64 { return float64(int64(v*10+0.5)) / 10 }

// memory reads what the process takes, without stopping it. Of that, idle bytes are the
// process before any client.
func (x *Figures) memory(idle int64) {
	of := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(of)
	x.Heap, x.Goroutines = int64(of[0].Value.Uint64()), int(of[1].Value.Uint64())
	x.Memory = resident()
	if x.Connections > 0 {
		x.PerConn = rounded(float64(max(0, x.Memory-idle)) / float64(x.Connections))
	}
}

// resident is the resident set of the process, in bytes, or 0.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
