package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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

// side is one of two that are compared, with its server.
type side struct {
	shooter
	server process
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
func newRounds(f *Fleet, server process, size Size, tag uint64) *rounds {
	r := &rounds{fleet: f, server: server, size: size, tag: tag, done: make(chan struct{}, 1)}
	for range f.workers {
		r.sinks = append(r.sinks, &roundSink{r: r})
	}
	f.each(func(c *client) { c.sink, c.round = r.sinks[c.index%len(f.workers)], 0 })
	return r
}

// aim makes the fleet's clients take part in rounds.
func (f *Fleet) aim(size Size, server process) (shooter, error) {
	return newRounds(f, server, size, newTag()), nil
}

func (r *rounds) reach() int { return r.fleet.Open() }

// shoot sends one message from a random client and waits until all have it.
func (r *rounds) shoot(ctx context.Context) (Round, error) {
	n := r.arm(r.current.Load() + 1)
	start, err := r.fire()
	if err != nil {
		return Round{}, err
	}
	times, err := r.await(ctx)
	if err != nil {
		return Round{}, err
	}
	return roundOf(times, start, n), nil
}

// arm makes the clients that are there expect message seq, and returns how many these are.
func (r *rounds) arm(seq uint32) int {
	f, n := r.fleet, r.fleet.Open()
	r.current.Store(seq) // first, so that what is late of a round that was given up counts nowhere
	for i, w := range f.workers {
		w.do(func() { r.sinks[i].times = slices.Grow(r.sinks[i].times[:0], n) })
	}
	select {
	case <-r.done: // of such a round
	default:
	}
	r.missing.Store(int64(n))
	return n
}

// fire sends the message from a random client, and returns when.
func (r *rounds) fire() (start int64, err error) {
	f := r.fleet
	if f.Open() == 0 {
		return 0, fmt.Errorf("the server has closed all clients")
	}
	from := f.clients[rand.IntN(len(f.clients))]
	for from.state.Load() != open {
		if f.Open() == 0 {
			return 0, fmt.Errorf("the server has closed all clients")
		}
		from = f.clients[rand.IntN(len(f.clients))]
	}
	frame := newTemplate(r.size, r.tag, from).number(r.current.Load())
	start = now()
	from.send(frame)
	return start, nil
}

// await returns when the message came to each client, when it has come to all or Config.Timeout is over.
func (r *rounds) await(ctx context.Context) (times []int64, err error) {
	if r.missing.Load() > 0 {
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(r.fleet.cfg.timeout()):
		}
	}
	for i, w := range r.fleet.workers {
		w.do(func() { times = append(times, r.sinks[i].times...) })
	}
	return times, nil
}

// roundOf sums up when n clients got a message that was sent at start.
func roundOf(times []int64, start int64, n int) Round {
	if len(times) == 0 {
		return Round{Lost: n}
	}
	slices.Sort(times)
	at := func(q float64) float64 { return ms(times[int(q*float64(len(times)-1)+0.5)] - start) }
	return Round{at(.5), at(.99), at(1), n - len(times)}
}

// duel is the target and the floor, with as many clients each, to be measured in turns.
type duel struct {
	sides []side // target, floor
	child *floorProcess
	loads []load
}

// startDuel starts the report of a scenario and the floor server, and connects both sides. The floor has one process, and so no more clients than this
// has files: without it for more. The report is there unless it could not be started.
func startDuel(ctx context.Context, cfg Config, scenario string, options any, clients int, size Size) (*duel, *Report, error) {
	r, server, err := newReport(&cfg, scenario, options)
	if err != nil {
		return nil, nil, err
	}
	if err := size.check(); err != nil {
		return nil, r, err
	}
	d := &duel{}
	if err := d.join(ctx, cfg, server, clients, size, r); err != nil {
		d.close()
		return nil, r, err
	}
	if clients > maxClients() {
		r.note("the floor was left out: its one process has files for %d clients", maxClients())
		return d, r, nil
	}
	child, err := cfg.startFloor(ctx)
	if err == nil {
		r.floorWithoutTLS(cfg)
		d.child = child
		err = d.join(ctx, cfg.atFloor(child), process{pids: []int{child.PID()}}, clients, size, r)
	}
	if err != nil {
		d.close()
		return nil, r, err
	}
	return d, r, nil
}

// floorWithoutTLS notes that the two are not alike.
func (r *Report) floorWithoutTLS(cfg Config) {
	if strings.HasPrefix(cfg.URL, "wss:") {
		r.note("the floor is without TLS: the ratio to it says what chat and TLS cost together")
	}
}

// join connects one side.
func (d *duel) join(ctx context.Context, cfg Config, server process, clients int, size Size, r *Report) error {
	l, err := newLoad(cfg, clients)
	if err != nil {
		return err
	}
	d.loads = append(d.loads, l)
	if err := mustOpen(ctx, l, r); err != nil {
		return err
	}
	s, err := l.aim(size, server)
	d.sides = append(d.sides, side{s, server})
	return err
}

func (d *duel) close() {
	for _, l := range d.loads {
		l.Close()
	}
	if d.child != nil {
		d.child.Stop()
	}
}

// median returns the middle of v, the mean of the two in the middle if they are an even number, and zero of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
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
