package load

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// Bystander is a client in its own room that sends by a fixed schedule and receives each of its messages. It is an open
// loop: a late message does not delay the next. It has one thread to send and one to receive, and no other client uses
// them.
type Bystander struct {
	fleet    *Local
	run      *LocalRun
	schedule Schedule
	trips    *tripChecker
	restore  []func()
}

// Trip has the due time of a bystander's message and the time of its return, by stat.Now. Back is 0 for a lost message.
type Trip struct{ Due, Back int64 }

// tripChecker stores when each message returns. Its receiver writes the times; any goroutine may read them.
type tripChecker struct {
	Counts
	tag  uint64
	back []atomic.Int64
}

func (t *tripChecker) Prepare(c *client.Client) { c.Sink = t }

func (t *tripChecker) Data(c *client.Client, b []byte, at int64) error {
	return c.Events(b, func(ev ws.Event) {
		seq, tag := stamp.Read(&ev.Head)
		if tag == t.tag && int(seq) < len(t.back) && t.back[seq].CompareAndSwap(0, at) {
			t.Received.Add(1)
		}
	})
}

// StartBystander connects a client to room, a path, and sends rate messages of 128 bytes per second, for at most longest.
// Stop the bystander.
func StartBystander(ctx context.Context, cfg client.Config, room string, rate float64, longest time.Duration) (*Bystander, error) {
	f, err := NewLocal(cfg, 1, 1)
	if err != nil {
		return nil, err
	}
	f.Clients[0].Room = room
	if failed, err := f.Dial(ctx, 0, 1); err != nil || failed > 0 {
		why := f.Failures()
		f.Close()
		if err == nil {
			err = fmt.Errorf("the bystander cannot connect: %v", why)
		}
		return nil, err
	}
	s := NewSchedule(stat.Now()+50e6, rate, longest.Seconds(), 1)
	b := &Bystander{fleet: f, schedule: s, trips: &tripChecker{tag: stamp.NewTag(), back: make([]atomic.Int64, s.Total)}}
	from := NewSender(s, f.Clients, option.FixedSize(128), b.trips.tag)
	from.urgent = true
	for _, w := range f.Receivers {
		b.restore = append(b.restore, proc.RaisePriority(w.TID))
	}
	b.run = StartRun(f, from, f.Clients, func() Checker { return b.trips })
	return b, nil
}

// Seen is the result of a bystander.
type Seen struct {
	Trips   []Trip
	Gone    bool     // the server closed its connection
	Refused []string // reasons with which the server refused messages, and the end of the connection
	Lag     int64    // how late the sending thread woke, as p99 in nanoseconds: a part of the latency that the server does not cause
}

// Stop ends the sending, waits for the missing messages, at most grace, and returns the result.
func (b *Bystander) Stop(grace time.Duration) Seen {
	b.run.Halt()
	sent := b.run.Sent
	for deadline := time.Now().Add(grace); b.run.Received() < int64(sent) && b.fleet.Open() > 0 && time.Now().Before(deadline); {
		time.Sleep(PollEvery)
	}
	seen := Seen{Gone: b.fleet.Open() == 0, Lag: b.run.Collect().Lag}
	for i := range sent {
		seen.Trips = append(seen.Trips, Trip{b.schedule.Due(uint32(i)), b.trips.back[i].Load()})
	}
	for what, n := range b.fleet.Failures() {
		if why, ok := strings.CutPrefix(what, client.RefusedMessage); ok {
			seen.Refused = append(seen.Refused, fmt.Sprintf("%d messages: %s", n, why))
		}
		if why, ok := strings.CutPrefix(what, client.GoneMessage); ok {
			seen.Refused = append(seen.Refused, "its connection ended with "+why)
		}
	}
	for _, restore := range b.restore {
		restore() // before Go uses the threads for other goroutines
	}
	b.fleet.Close()
	return seen
}
