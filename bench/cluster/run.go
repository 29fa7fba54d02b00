package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
)

// floodRun is a flood of a cluster: every process checks the messages of its clients by the same schedule; the first
// process sends.
type floodRun struct {
	cluster *Cluster

	mu    sync.Mutex // guards the fields below
	asked time.Time
	got   int64
}

// statusEvery is the maximum age of the number of deliveries. A new number wakes a thread in every process.
const statusEvery = 50 * time.Millisecond

func (c *Cluster) Flood(s load.Schedule, size option.Size, nap time.Duration) (load.Run, error) {
	if most := c.Workers[0].clients; s.Senders > most {
		return nil, option.Bad("--senders %d: all senders are in the first of %d processes, which has %d clients; give at most that number", s.Senders, len(c.Workers), most)
	}
	o := floodRequest{Start: s.Start, End: s.End, Interval: s.Interval, Total: s.Total, Senders: s.Senders, Size: size.String(), Nap: nap, Tag: stamp.NewTag()}
	_, err := c.broadcast(context.Background(), func(k int, _ *Worker) request {
		mine := o
		mine.Send = k == 0
		return request{Do: doFlood, Flood: &mine}
	})
	if err != nil {
		return nil, err
	}
	if stat.Now() > s.Start {
		c.halt()
		return nil, fmt.Errorf("the %d worker processes were not ready for the flood in time: the machine is too busy", len(c.Workers))
	}
	run := &floodRun{cluster: c}
	c.sampler.Follow(run)
	return run, nil
}

func (c *Cluster) halt() {
	_, _ = c.broadcast(context.Background(), func(int, *Worker) request { return request{Do: doHalt} }) // keep has stored the error
}

func (r *floodRun) Received() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) > statusEvery {
		r.asked, r.got = time.Now(), r.cluster.total().Received
	}
	return r.got
}

func (r *floodRun) Halt() { r.cluster.halt() }

func (r *floodRun) Fault() error { return r.cluster.Fault() }

func (r *floodRun) SoFar() *stat.Hist {
	h := &stat.Hist{}
	replies, _ := r.cluster.broadcast(context.Background(), func(int, *Worker) request { return request{Do: doSoFar} }) // keep has stored the error
	for _, a := range replies {
		if a.Hist != nil {
			h.Unpack(a.Hist)
		}
	}
	return h
}

func (r *floodRun) Collect() *load.Totals {
	sum := &load.Totals{}
	replies, _ := r.cluster.broadcast(context.Background(), func(int, *Worker) request { return request{Do: doCollect} }) // keep has stored the error
	for _, a := range replies {
		if a.Flood != nil {
			unpackTotals(sum, a.Flood)
		}
	}
	return sum
}

// singles sends single messages in a cluster. One process sends, and all processes report the receptions by the clock that
// they share.
type singles struct {
	cluster *Cluster
	size    string
	tag     uint64
	seq     uint32
}

func (c *Cluster) Singles(size option.Size) (load.Singles, error) {
	return &singles{cluster: c, size: size.String(), tag: stamp.NewTag()}, nil
}

func (r *singles) Reach() int { return r.cluster.Open() }

func (r *singles) Send(ctx context.Context) (report.Round, error) {
	r.seq++
	ready, err := r.cluster.broadcast(ctx, func(int, *Worker) request {
		return request{Do: doExpect, Tag: r.tag, Size: r.size, Seq: r.seq}
	})
	if err != nil {
		return report.Round{}, err
	}
	fired, err := r.cluster.Workers[rand.IntN(len(r.cluster.Workers))].do(request{Do: doSend})
	if err != nil {
		return report.Round{}, r.cluster.keep(err)
	}
	came, err := r.cluster.broadcast(ctx, func(int, *Worker) request { return request{Do: doAwait} })
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return report.Round{}, err
	}
	n, times := 0, []int64(nil)
	for k := range ready {
		n, times = n+ready[k].N, append(times, came[k].Times...)
	}
	return load.SumUp(times, fired.At, n), nil
}
