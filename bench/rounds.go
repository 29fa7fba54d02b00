package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// rounds sends single messages to all clients of a fleet, one when the other has arrived everywhere.
type rounds struct {
	fleet   *Fleet
	server  process
	size    Size
	tag     uint64
	sinks   []*roundSink // of each worker
	current atomic.Uint32
	missing atomic.Int64
	done    chan struct{}
}

// Round is one message's way to all clients, in milliseconds from its sending.
type Round struct {
	Median float64 `json:"median_ms"`
	P99    float64 `json:"p99_ms"`
	Last   float64 `json:"last_ms"`
	Lost   int     `json:"lost"`
}

// roundSink notes when the clients of one worker have a round's message.
type roundSink struct {
	r     *rounds
	times []int64 // of the current round
}

func (s *roundSink) data(c *client, b []byte, at int64) error {
	return c.events(b, func(ev Event) {
		seq, tag := stampOf(&ev.Head)
		if tag != s.r.tag || seq != s.r.current.Load() || c.round == seq {
			return // somebody else's, or late, or twice
		}
		c.round = seq
		s.times = append(s.times, at)
		if s.r.missing.Add(-1) == 0 {
			s.r.done <- struct{}{}
		}
	})
}

// newRounds makes the fleet's clients, which must be open, take part.
func newRounds(f *Fleet, server process, size Size) *rounds {
	r := &rounds{fleet: f, server: server, size: size, tag: newTag(), done: make(chan struct{}, 1)}
	for range f.workers {
		r.sinks = append(r.sinks, &roundSink{r: r})
	}
	f.each(func(c *client) { c.sink, c.round = r.sinks[c.index%len(f.workers)], 0 })
	return r
}

// shoot sends one message from a random client and waits until all have it.
func (r *rounds) shoot(ctx context.Context) (Round, error) {
	f, n := r.fleet, r.fleet.Open()
	seq := r.current.Add(1) // first, so that what is late of a round that was given up counts nowhere
	for i, w := range f.workers {
		w.do(func() { r.sinks[i].times = slices.Grow(r.sinks[i].times[:0], n) })
	}
	select {
	case <-r.done: // of such a round
	default:
	}
	from := f.clients[rand.IntN(len(f.clients))]
	for from.state.Load() != open {
		if n == 0 {
			return Round{}, fmt.Errorf("the server has closed all clients")
		}
		from = f.clients[rand.IntN(len(f.clients))]
	}
	frame := newTemplate(r.size, r.tag, from).number(seq)
	r.missing.Store(int64(n))
	start := now()
	from.send(frame)
	select {
	case <-r.done:
	case <-ctx.Done():
		return Round{}, ctx.Err()
	case <-time.After(f.cfg.timeout()):
	}
	return r.collect(start, n), nil
}

func (r *rounds) collect(start int64, n int) Round {
	var times []int64
	for i, w := range r.fleet.workers {
		w.do(func() { times = append(times, r.sinks[i].times...) })
	}
	if len(times) == 0 {
		return Round{Lost: n}
	}
	slices.Sort(times)
	at := func(q float64) float64 { return ms(times[int(q*float64(len(times)-1)+0.5)] - start) }
	return Round{at(.5), at(.99), at(1), n - len(times)}
}

// duel is the target and the floor, with as many clients each, to be measured in turns.
type duel struct {
	sides  [2]*rounds // target, floor
	child  *floorProcess
	fleets []*Fleet
}

// startDuel starts the floor server and connects both sides.
func startDuel(ctx context.Context, cfg Config, server process, clients int, size Size, r *Report) (*duel, error) {
	if err := size.check(); err != nil {
		return nil, err
	}
	d := &duel{}
	argv := cfg.Floor
	if len(argv) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		argv = []string{self, "floor", "--listen", "127.0.0.1:0"}
	}
	child, err := startFloor(ctx, argv)
	if err != nil {
		return nil, err
	}
	d.child = child
	for i, p := range []process{server, {pids: []int{child.PID()}}} {
		side := cfg
		if i == 1 {
			side.URL, side.Dialect, side.Channel = child.url, Plain, "" // it speaks nothing else
		}
		f, err := NewFleet(side, clients, side.Receivers)
		if err == nil {
			d.fleets = append(d.fleets, f)
			err = f.mustOpen(ctx, r)
		}
		if err != nil {
			d.close()
			return nil, err
		}
		d.sides[i] = newRounds(f, p, size)
	}
	return d, nil
}

func (d *duel) close() {
	for _, f := range d.fleets {
		f.Close()
	}
	d.child.Stop()
}

// median returns the middle of v, the lower one of two, and zero of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// Spread is the median of something repeated, with its extremes.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	return Spread{median(v), slices.Min(v), slices.Max(v)}
}

func (s Spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", cell(s.Median), cell(s.Min), cell(s.Max))
}
