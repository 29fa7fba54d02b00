package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// LocalSingles are the Singles of a fleet.
type LocalSingles struct {
	fleet   *client.Fleet
	size    option.Size
	Tag     uint64
	sinks   []*singlesSink // one per receiver
	current atomic.Uint32
	missing atomic.Int64
	done    chan struct{}
}

// singlesSink stores when the clients of one receiver receive the message of a round.
type singlesSink struct {
	r     *LocalSingles
	times []int64 // of the current round
}

func (s *singlesSink) Data(c *client.Client, b []byte, at int64) error {
	return c.Events(b, func(ev ws.Event) {
		seq, tag := stamp.Read(&ev.Head)
		if tag != s.r.Tag || seq != s.r.current.Load() || c.Round == seq {
			return // of another run, late, or a duplicate
		}
		c.Round = seq
		s.times = append(s.times, at)
		if s.r.missing.Add(-1) == 0 {
			s.r.done <- struct{}{}
		}
	})
}

// NewSingles makes the fleet's clients, which must be open, receive single messages with a tag.
func NewSingles(f *client.Fleet, size option.Size, tag uint64) *LocalSingles {
	r := &LocalSingles{fleet: f, size: size, Tag: tag, done: make(chan struct{}, 1)}
	for range f.Receivers {
		r.sinks = append(r.sinks, &singlesSink{r: r})
	}
	f.Each(func(c *client.Client) { c.Sink, c.Round = r.sinks[c.Index%len(f.Receivers)], 0 })
	return r
}

func (r *LocalSingles) Reach() int { return r.fleet.Open() }

// Send sends one message from a random client and waits until all clients have received it.
func (r *LocalSingles) Send(ctx context.Context) (report.Round, error) {
	n := r.Expect(r.current.Load() + 1)
	start, err := r.SendOne()
	if err != nil {
		return report.Round{}, err
	}
	times, err := r.Await(ctx)
	if err != nil {
		return report.Round{}, err
	}
	return SumUp(times, start, n), nil
}

// Expect makes all open clients expect message seq, and returns their number.
func (r *LocalSingles) Expect(seq uint32) int {
	f, n := r.fleet, r.fleet.Open()
	r.current.Store(seq) // first, so that late messages of an earlier round are not counted
	for i, w := range f.Receivers {
		w.Do(func() { r.sinks[i].times = slices.Grow(r.sinks[i].times[:0], n) })
	}
	select {
	case <-r.done: // left from a round that timed out
	default:
	}
	r.missing.Store(int64(n))
	return n
}

// SendOne sends the expected message from a random client, and returns the time.
func (r *LocalSingles) SendOne() (start int64, err error) {
	f := r.fleet
	if f.Open() == 0 {
		return 0, fmt.Errorf("the server has closed all clients")
	}
	from := f.Clients[rand.IntN(len(f.Clients))]
	for !from.IsOpen() {
		if f.Open() == 0 {
			return 0, fmt.Errorf("the server has closed all clients")
		}
		from = f.Clients[rand.IntN(len(f.Clients))]
	}
	frame := NewTemplate(r.size, r.Tag, from.Format()).Number(r.current.Load())
	start = stat.Now()
	from.Send(frame)
	return start, nil
}

// Await waits until all clients have received the message, at most Config.Timeout, and returns the time of each reception.
func (r *LocalSingles) Await(ctx context.Context) (times []int64, err error) {
	if r.missing.Load() > 0 {
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(r.fleet.Config().ReplyTimeout()):
		}
	}
	for i, w := range r.fleet.Receivers {
		w.Do(func() { times = append(times, r.sinks[i].times...) })
	}
	return times, nil
}

// SumUp returns the result of a round: times has the receptions of n clients, and start is the time of sending.
func SumUp(times []int64, start int64, n int) report.Round {
	if len(times) == 0 {
		return report.Round{Lost: n}
	}
	slices.Sort(times)
	at := func(q float64) float64 { return stat.MS(times[int(q*float64(len(times)-1)+0.5)] - start) }
	return report.Round{Median: at(.5), P99: at(.99), Last: at(1), Lost: n - len(times)}
}
