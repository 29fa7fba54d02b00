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

// Bystander is a client in a room of its own who sends by a fixed schedule, whatever becomes of the messages, and gets each of them back. It has a
// thread that sends and one that reads, and shares neither with other clients.
type Bystander struct {
	fleet    *Local
	run      *LocalRun
	schedule Schedule
	trips    *tripChecker
	restore  []func()
}

// Trip is one message of a bystander: when it was due and when it came back, by [Now]; Back is 0 if it never came.
type Trip struct{ Due, Back int64 }

// tripChecker notes when each message comes back. Its worker writes, anybody reads.
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

// StartBystander connects a client to room, a path, and sends at rate messages a second of 128 bytes for at most longest. Stop it.
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

// Seen is what became of a bystander.
type Seen struct {
	Trips   []Trip
	Gone    bool     // the server closed its connection
	Refused []string // why the server did not take messages, if it said so, and how the connection ended
	Lag     int64    // how late its sending thread woke, p99 in nanoseconds: a part of the latency that is not the server's
}

// Stop sends no more, waits for at most grace until everything is back, and returns all messages.
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
		restore() // before the threads are others'
	}
	b.fleet.Close()
	return seen
}
