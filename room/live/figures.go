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

// Figures are the load of a node during a second, and its state at the end of that second.
type Figures struct {
	At int64 `json:"at"` // unix milliseconds

	Connections int64   `json:"connections"` // open WebSockets
	Rooms       int     `json:"rooms"`       // with members
	Members     int     `json:"members"`
	In          float64 `json:"in"`        // messages from clients per second, including commands
	Out         float64 `json:"out"`       // messages to clients per second, including replies
	Delivered   float64 `json:"delivered"` // messages of rooms per second, counted once per member

	// Delivery latency, from the room's log until the message is written to all members that
	// the same sweep serves, in milliseconds; null if no message was delivered.
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`

	Queued  int64 `json:"queued"`  // bytes that sockets have not accepted yet
	Lagging int   `json:"lagging"` // connections with such bytes
	Evicted int64 `json:"evicted"` // connections closed since the start because all queues together were too large
	Slow    int64 `json:"slow"`    // connections closed since the start because they did not read

	Memory  int64   `json:"memory"`   // resident set in bytes; 0 means unknown
	Heap    int64   `json:"heap"`     // objects on the Go heap in bytes, including garbage not yet collected
	PerConn float64 `json:"per_conn"` // resident set per connection in bytes, without the process as it was before the first client; 0 without connections or if unknown

	Store string `json:"store,omitempty"` // why the engine's store cannot be used; "" means that it can

	Busy       float64 `json:"busy"` // average number of busy workers during the second
	Workers    int     `json:"workers"`
	Goroutines int     `json:"goroutines"`
}

// reading holds the values of the counters at one time.
type reading struct {
	at     time.Time
	server netpoll.Stats
	hub    room.Stats
}

func (f *Feed) read() *reading {
	return &reading{time.Now(), f.shown.Stats(), f.cfg.Hub.Stats()}
}

// figures returns the figures between two readings.
func (r *reading) figures(before *reading, idle int64) Figures {
	seconds := max(r.at.Sub(before.at).Seconds(), 1e-3)
	rate := func(n, was int64) float64 { return rounded(float64(max(0, n-was)) / seconds) }
	s, h := &r.server, &r.hub
	x := Figures{
		At: millis(r.at), Connections: s.Open, Rooms: h.Rooms, Members: h.Members,
		In: rate(s.MessagesIn, before.server.MessagesIn), Out: rate(s.MessagesOut, before.server.MessagesOut),
		Delivered: rate(h.Delivered, before.hub.Delivered),
		Queued:    s.Queued, Lagging: s.Lagging, Evicted: s.Evictions, Slow: s.Closed[netpoll.Slow], Store: h.Store,
		Busy: rounded(100*(s.Worked-before.server.Worked).Seconds()/seconds) / 100, Workers: s.Workers,
	}
	if took := h.DeliveryLatency.Since(before.hub.DeliveryLatency); took.Total() > 0 {
		ms := func(q float64) *float64 {
			v := float64(took.Quantile(q).Microseconds()) / 1000
			return &v
		}
		x.P50, x.P99 = ms(0.50), ms(0.99)
	}
	x.memory(idle)
	return x
}

// rounded rounds to a tenth: more digits would be noise, and more bytes.
func rounded(v float64) float64 { return float64(int64(v*10+0.5)) / 10 }

// memory reads the memory of the process without stopping it. idle is the resident set before
// the first client, in bytes.
func (x *Figures) memory(idle int64) {
	of := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(of)
	x.Heap, x.Goroutines = int64(of[0].Value.Uint64()), int(of[1].Value.Uint64())
	x.Memory = resident()
	if x.Connections > 0 {
		x.PerConn = rounded(float64(max(0, x.Memory-idle)) / float64(x.Connections))
	}
}

// resident returns the resident set of the process in bytes, or 0 if it cannot be read.
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
